//! What an app wants done when it has taken an event.

use std::sync::Arc;

use bytes::Bytes;
use dapr::dapr::proto::runtime::v1::BindingEventResponse;
use dapr::dapr::proto::runtime::v1::binding_event_response::BindingEventConcurrency;
use futures_util::future::join_all;
use pillion_capabilities::trace::{Context, FutureExt as _};
use serde_json::value::RawValue;

use crate::bindings::{self, Request};
use crate::component::Components;
use crate::http::AppAnswer;
use crate::state::{self, Save};
use crate::{ApiError, Sidecar};

/// State to be saved, and output bindings to be called.
#[derive(Debug, Default)]
pub(super) struct Answer {
    store: String,
    saves: Vec<Result<Save, ApiError>>,
    to: Vec<String>,
    data: Bytes,
    parallel: bool,
    /// The trace of the event.
    context: Context,
}

// === impl Answer ===

impl Answer {
    /// Reads the answer of an app over HTTP; what is none asks for nothing, as with Dapr.
    pub(super) fn read(body: &[u8]) -> Self {
        let answer = match serde_json::from_slice::<Option<AppAnswer<'_>>>(body) {
            Ok(answer) => answer.unwrap_or_default(),
            Err(error) => {
                if !body.is_empty() {
                    tracing::debug!("the app's answer to an event asks for nothing: {error}");
                }
                return Self::default();
            }
        };
        let AppAnswer { data, to, store_name, state, concurrency, .. } = answer;
        Self {
            store: store_name,
            saves: state.into_iter().map(crate::http::into_save).collect(),
            to,
            data: Bytes::copy_from_slice(data.map_or("null", RawValue::get).as_bytes()),
            parallel: concurrency.eq_ignore_ascii_case("parallel"),
            context: Context::new(),
        }
    }

    /// What the app wants is done on behalf of this.
    pub(super) fn within(self, context: Context) -> Self {
        Self { context, ..self }
    }

    /// Does what the app wants.
    pub(super) async fn perform(self, sidecar: &Arc<Sidecar>) {
        if self.saves.is_empty() && self.to.is_empty() {
            return;
        }
        let context = self.context.clone();
        self.perform_all(sidecar).with_context(context).await;
    }

    async fn perform_all(self, sidecar: &Arc<Sidecar>) {
        let components = sidecar.components();
        let Self { store, saves, to, data, parallel, context: _ } = self;
        if !saves.is_empty()
            && let Err(error) = save(&components, &store, saves).await
        {
            tracing::error!("state that the app wants saved after an event is not: {error}");
        }
        let call = |name: String| {
            let (components, data) = (&components, data.clone());
            async move {
                let request = Request { operation: "create".to_owned(), data, ..Request::default() };
                if let Err(error) = bindings::invoke(components, &name, request).await {
                    tracing::error!("a binding that the app wants called after an event failed: {error}");
                }
            }
        };
        if parallel {
            join_all(to.into_iter().map(call)).await;
        } else {
            for name in to {
                call(name).await;
            }
        }
    }
}

async fn save(
    components: &Components,
    store: &str,
    saves: Vec<Result<Save, ApiError>>,
) -> Result<(), ApiError> {
    let store = components.state.find(store)?;
    state::save_all(store, saves.into_iter().collect::<Result<Vec<_>, _>>()?).await
}

impl From<BindingEventResponse> for Answer {
    fn from(response: BindingEventResponse) -> Self {
        let parallel = response.concurrency() == BindingEventConcurrency::Parallel;
        let BindingEventResponse { store_name, states, to, data, .. } = response;
        let saves = states.into_iter().map(crate::grpc::into_save).collect();
        Self { store: store_name, saves, to, data: data.into(), parallel, context: Context::new() }
    }
}
