//! Spans of calls of a store's provider.

use pillion_capabilities::trace::{self, Context, FutureExt as _, KeyValue, SpanKind};
use pillion_capabilities::{Answer, Error};

use super::Store;

/// Has the provider called, within a span if there are any.
pub(super) async fn asked<T>(
    store: &Store,
    operation: &'static str,
    call: impl FnOnce() -> Answer<T>,
) -> Result<T, Error> {
    asked_all(store, operation, call, Answer::wait).await
}

/// As [`asked`], for a call that is several of the provider's.
pub(super) async fn asked_all<A, T, F: Future<Output = Result<T, Error>>>(
    store: &Store,
    operation: &'static str,
    call: impl FnOnce() -> A,
    wait: impl FnOnce(A) -> F,
) -> Result<T, Error> {
    let Some(tracing) = &store.tracing else { return wait(call()).await };
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
    let result = wait(answer).with_context(context.clone()).await;
    trace::end(&context, result.as_ref().err().map(ToString::to_string).as_deref());
    result
}
