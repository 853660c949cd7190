//! What is logged, for the tests that look at it.

use std::fmt;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// The events of one target, or of all, each as its level and its fields.
#[derive(Clone)]
pub(crate) struct Traces {
    target: Option<&'static str>,
    lines: Arc<Mutex<Vec<String>>>,
}

struct Line(String);

// === impl Traces ===

impl Traces {
    pub(crate) fn of(target: &'static str) -> Self {
        Self { target: Some(target), lines: Arc::default() }
    }

    pub(crate) fn all() -> Self {
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

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.push_str(&format!(" {}={value:?}", field.name()));
    }
}
