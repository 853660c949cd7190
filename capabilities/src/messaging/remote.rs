//! What the providers over a server have in common.

use std::sync::Arc;

use futures_util::future::join_all;

use super::check::check_publish;
use super::{Message, Operation};
use crate::{Answer, Counters, Result};

/// A server, and how often its provider was reached.
#[derive(Debug)]
pub(super) struct Remote<S> {
    pub(super) counters: Arc<Counters<Operation>>,
    server: S,
}

// === impl Remote ===

impl<S: Clone> Remote<S> {
    pub(super) fn new(server: S) -> Self {
        Self { counters: Arc::default(), server }
    }

    /// Has the server do something, unless what is asked of it was refused.
    pub(super) fn run<T, F>(
        &self,
        operation: Operation,
        checked: Result<()>,
        act: impl FnOnce(S) -> F,
    ) -> Answer<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.counters.count(operation);
        Answer::checked(checked, || act(self.server.clone()))
    }
}

// === free functions ===

/// Publishes each message: the connection writes them one after another without waiting for answers.
pub(super) async fn publish_each<F>(
    topic: &str,
    messages: Vec<Message>,
    publish: impl Fn(Message) -> F,
) -> Vec<Result<()>>
where
    F: Future<Output = Result<()>>,
{
    let publish = &publish;
    let checked = |message: Message| async move {
        check_publish(topic, &message)?;
        publish(message).await
    };
    join_all(messages.into_iter().map(checked)).await
}
