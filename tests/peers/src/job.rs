//! What every contestant has to send, made anew at each run.

use std::fmt::Write as _;

/// One message and its recipients; each contestant sends it again and again over one connection.
pub(crate) struct Job {
    pub(crate) sender: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) message: Vec<u8>,
}

impl Job {
    /// A message of `octets` octets, about, to so many recipients.
    pub(crate) fn new(recipients: usize, octets: usize) -> Self {
        Self {
            sender: "alice@example.org".to_owned(),
            recipients: (0..recipients).map(|nth| format!("recipient-{nth:04}@example.net")).collect(),
            message: text(octets),
        }
    }
}

/// A header and lines of 20 to 76 octets; none begins with a dot, because a floor escapes nothing.
fn text(octets: usize) -> Vec<u8> {
    let words = "It is a truth universally acknowledged, that a single man in possession of a good fortune";
    let mut text = String::from("From: <alice@example.org>\r\nSubject: a message\r\n\r\n");
    for nth in 0.. {
        if text.len() + 78 >= octets {
            break;
        }
        let _ = write!(text, "{}\r\n", &words[..20 + nth % 8 * 8]);
    }
    let missing = octets.saturating_sub(text.len() + 2);
    let _ = write!(text, "{}\r\n", &words[..missing.min(words.len())]);
    text.into_bytes()
}
