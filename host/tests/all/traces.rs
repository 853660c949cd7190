//! What is logged, for the tests that look at it.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// The events of one target, or of all, each as its level and its fields.
#[derive(Clone)]
pub(crate) struct Traces {
    target: Option<&'static str>,
    lines: Arc<Mutex<Vec<String>>>,
}

struct Line(String);

/// Hears nothing, and leaves open for each callsite whether another does.
struct Open;

// === impl Traces ===

impl Traces {
    pub(crate) fn of(target: &'static str) -> Self {
        keep_open();
        Self { target: Some(target), lines: Arc::default() }
    }

    pub(crate) fn all() -> Self {
        keep_open();
        Self { target: None, lines: Arc::default() }
    }

    /// Does something again and again until it is logged; answers the line. What is logged for the first time by several
    /// threads at once, of which not all listen, may not be heard the first time.
    pub(crate) async fn until_logged(&self, mut act: impl AsyncFnMut()) -> String {
        loop {
            let _default = tracing::subscriber::set_default(self.clone());
            tracing::callsite::rebuild_interest_cache();
            act().await;
            if let Some(line) = self.lines().pop() {
                return line;
            }
        }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("unpoisoned").clone()
    }
}

impl Subscriber for Traces {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.target.is_none_or(|target| metadata.target() == target)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.lines.lock().expect("unpoisoned").push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Subscriber for Open {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn event(&self, _: &Event<'_>) {}

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}

// === free functions ===

/// To be called before anything else listens. With one subscriber alone, a place that logs would be off for good if a thread
/// that does not listen came to it first.
pub(crate) fn keep_open() {
    static OPEN: OnceLock<Dispatch> = OnceLock::new();
    OPEN.get_or_init(|| Dispatch::new(Open));
}
