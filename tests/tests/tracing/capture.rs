//! A subscriber that writes everything down, a line for each span and each event.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// What was told so far, in the order in which spans began and events came.
#[derive(Clone)]
pub(crate) struct Capture {
    level: Level,
    next: Arc<AtomicU64>,
    told: Arc<Mutex<Vec<Told>>>,
}

#[derive(Default)]
struct Told {
    /// Of a span: its id, and how many hold it.
    id: Option<u64>,
    handles: usize,
    closed: bool,
    heading: String,
    fields: BTreeMap<&'static str, String>,
    /// Fields that were recorded more than once.
    again: Vec<&'static str>,
}

impl Capture {
    pub(crate) fn new(level: Level) -> Self {
        Self { level, next: Arc::new(AtomicU64::new(1)), told: Arc::default() }
    }

    fn told(&self) -> MutexGuard<'_, Vec<Told>> {
        self.told.lock().unwrap()
    }

    /// A line for each, with those of its fields that `shown` wants.
    pub(crate) fn lines(&self, shown: impl Fn(&str) -> bool) -> Vec<String> {
        let told = self.told();
        told.iter()
            .map(|told| {
                let mut line = told.heading.clone();
                for (name, value) in told.fields.iter().filter(|(name, _)| shown(name)) {
                    write!(line, " {name}={value}").unwrap();
                }
                line
            })
            .collect()
    }

    /// Spans that are still open.
    pub(crate) fn open(&self) -> usize {
        self.told().iter().filter(|told| told.id.is_some() && !told.closed).count()
    }

    /// The names of all fields, and what the events say.
    pub(crate) fn vocabulary(&self) -> BTreeSet<String> {
        let told = self.told();
        let fields = told.iter().flat_map(|told| told.fields.keys()).map(|&field| field.to_owned());
        let messages = told.iter().filter_map(|told| Some(told.heading.split_once(": ")?.1.to_owned()));
        fields.chain(messages).collect()
    }

    /// Each value of a field, over all spans.
    pub(crate) fn values(&self, field: &str) -> Vec<String> {
        let told = self.told();
        let spans = told.iter().filter(|told| told.id.is_some());
        spans.filter_map(|span| span.fields.get(field).cloned()).collect()
    }

    fn name_of(told: &[Told], id: Option<u64>) -> String {
        let span = id.and_then(|id| told.iter().find(|told| told.id == Some(id)));
        span.map_or("nothing".into(), |span| span.heading.split(' ').next().unwrap().to_owned())
    }
}

impl Visit for Told {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if self.fields.insert(field.name(), format!("{value:?}")).is_some() {
            self.again.push(field.name());
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "smtp_proto" && *metadata.level() <= self.level
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, Ordering::SeqCst);
        let mut told = self.told();
        let parent = Self::name_of(&told, attributes.parent().map(Id::into_u64));
        let metadata = attributes.metadata();
        let heading = format!("{} ({}, in {parent})", metadata.name(), metadata.level());
        let mut span = Told { id: Some(id), handles: 1, heading, ..Told::default() };
        attributes.record(&mut span);
        told.push(span);
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut told = self.told();
        let span = told.iter_mut().find(|told| told.id == Some(id.into_u64())).unwrap();
        assert!(!span.closed, "{} is over", span.heading);
        values.record(span);
        assert_eq!(span.again, Vec::<&str>::new(), "a formatter would write it twice: {}", span.heading);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut told = self.told();
        let parent = Self::name_of(&told, event.parent().map(Id::into_u64));
        let mut told_of = Told::default();
        event.record(&mut told_of);
        let message = told_of.fields.remove("message").unwrap_or_default();
        told_of.heading = format!("  {} in {parent}: {message}", event.metadata().level());
        told.push(told_of);
    }

    fn enter(&self, _: &Id) {
        panic!("no span may be entered: in a task it would be entered for whatever else runs on the thread");
    }

    fn exit(&self, _: &Id) {}

    fn clone_span(&self, id: &Id) -> Id {
        let mut told = self.told();
        told.iter_mut().find(|told| told.id == Some(id.into_u64())).unwrap().handles += 1;
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let mut told = self.told();
        let span = told.iter_mut().find(|told| told.id == Some(id.into_u64())).unwrap();
        span.handles -= 1;
        span.closed = span.handles == 0;
        span.closed
    }
}
