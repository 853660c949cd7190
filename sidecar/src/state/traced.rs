//! What is told of calls of a store's provider: numbers and spans.

use std::time::Instant;

use pillion_capabilities::trace::{self, Context, FutureExt as _, KeyValue, SpanKind};
use pillion_capabilities::{Answer, Error};

use super::Store;

/// The operations that are counted, by Dapr's names.
pub(crate) const MEASURED: &[&str] = &["get", "set", "delete", "bulk_get", "transaction", "bulk_delete"];

/// An answer, or several.
pub(super) trait Answers {
    /// Whether any of them is to be waited for.
    fn wait(&self) -> bool;
}

impl<T> Answers for Answer<T> {
    #[inline]
    fn wait(&self) -> bool {
        matches!(self, Self::Pending(_))
    }
}

impl<T> Answers for Vec<Answer<T>> {
    fn wait(&self) -> bool {
        self.iter().any(Answers::wait)
    }
}

/// Has the provider called, counted and within a span if these are wanted.
pub(super) async fn asked<T>(
    store: &Store,
    operation: &'static str,
    call: impl FnOnce() -> Answer<T>,
) -> Result<T, Error> {
    asked_all(store, operation, call, Answer::wait).await
}

/// As [`asked`], for a call that is several of the provider's.
pub(super) async fn asked_all<A: Answers, T, F: Future<Output = Result<T, Error>>>(
    store: &Store,
    operation: &'static str,
    call: impl FnOnce() -> A,
    wait: impl FnOnce(A) -> F,
) -> Result<T, Error> {
    let Some(tracing) = &store.tracing else { return counted(store, operation, call(), wait).await };
    let context = tracing.begin(&Context::current(), SpanKind::Client, || {
        let kind = store.backend.component_type();
        let attributes = vec![
            // Dapr's names for stores.
            KeyValue::new("db.system", "state"),
            KeyValue::new("db.name", store.name.clone()),
            KeyValue::new("pillion.component.type", kind),
            KeyValue::new("pillion.operation", operation),
            KeyValue::new("pillion.provider", store.provider.name()),
        ];
        (format!("{kind} {operation}").into(), attributes)
    });
    let answer = {
        let _attached = context.clone().attach();
        call()
    };
    let result = counted(store, operation, answer, wait).with_context(context.clone()).await;
    trace::end(&context, result.as_ref().err().map(ToString::to_string).as_deref());
    result
}

/// Waits for an answer, and counts it. An answer that is there already costs no look at the clock: it took less than the
/// least time that is told apart.
async fn counted<A: Answers, T, F: Future<Output = Result<T, Error>>>(
    store: &Store,
    operation: &'static str,
    answer: A,
    wait: impl FnOnce(A) -> F,
) -> Result<T, Error> {
    let Some(meter) = &store.meter else { return wait(answer).await };
    let begun = answer.wait().then(Instant::now);
    let result = wait(answer).await;
    let operation = match operation {
        "transact" => "transaction",
        "bulk_set" => "set",
        operation => operation,
    };
    meter.count(operation, result.is_ok(), begun);
    result
}
