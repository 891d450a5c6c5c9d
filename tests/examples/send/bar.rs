//! The bar that shows how far a large message is, where there is somebody to see it.

use std::io::{IsTerminal, stderr};
use std::sync::{Arc, OnceLock};

use indicatif::{ProgressBar, ProgressStyle};
use smtp_proto::flow::Progress;

/// A message of fewer octets is gone before anybody has seen the bar.
const LARGE: u64 = 1 << 20;

/// A bar on standard error, which appears with the first message that is large.
#[derive(Clone, Default)]
pub struct Bar(Arc<OnceLock<ProgressBar>>);

impl Bar {
    /// A bar, if standard error is a terminal.
    pub fn on_terminal() -> Option<Self> {
        stderr().is_terminal().then(Self::default)
    }

    /// Shows how far the message is. One of unknown size is large once so much of it has left.
    pub fn show(&self, now: Progress) {
        if now.total.unwrap_or(now.accepted) < LARGE {
            return;
        }
        let bar = self.0.get_or_init(|| {
            let template = match now.total {
                Some(_) => "{bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
                None => "{spinner} {bytes}, {bytes_per_sec}",
            };
            let bar = now.total.map_or_else(ProgressBar::no_length, ProgressBar::new);
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        if bar.is_finished() {
            // The next message of a batch.
            bar.reset();
            now.total.map_or_else(|| bar.unset_length(), |total| bar.set_length(total));
        }
        bar.set_position(now.accepted);
        if now.is_complete() {
            bar.finish_and_clear();
        }
    }

    /// Prints something without the bar in its way.
    pub fn aside(&self, print: impl FnOnce()) {
        match self.0.get() {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some(bar) = self.0.get() {
            bar.finish_and_clear();
        }
    }
}
