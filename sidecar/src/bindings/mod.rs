//! Bindings: the world outside, which the app calls through output bindings, and which calls it by input bindings.

mod error;
mod go;
mod http;
pub(crate) mod input;
mod local;

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Instant;

use bytes::Bytes;

use crate::ApiError;
use crate::component::Components;
use crate::metrics::Meter;
use crate::resiliency::{Judged, Policy};
use error::Failure;

pub(crate) use go::duration;
pub(crate) use http::{Http, Settings as HttpSettings, Token};
pub(crate) use local::LocalStorage;

/// An output binding: what a component's name stands for.
#[derive(Debug)]
pub(crate) enum Output {
    /// `bindings.http`
    Http(Http),
    /// `bindings.localstorage`
    LocalStorage(LocalStorage),
}

/// An output binding, and what is counted of it.
#[derive(Debug)]
pub(crate) struct OutputBinding {
    pub(crate) output: Output,
    /// What is done where calls of it fail, if anything is said.
    pub(crate) policy: Option<Policy>,
    pub(crate) meter: OnceLock<Meter>,
}

/// What an output binding is asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) operation: String,
    pub(crate) data: Bytes,
    pub(crate) metadata: HashMap<String, String>,
}

/// What an output binding answers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) data: Bytes,
    pub(crate) metadata: HashMap<String, String>,
}

/// Calls an output binding. Some operations have no answer.
pub(crate) async fn invoke(
    components: &Components,
    name: &str,
    request: Request,
) -> Result<Option<Response>, ApiError> {
    if request.operation.is_empty() {
        return Err(error::invoke(name, "operation field is missing from request"));
    }
    let Some(binding) = components.outputs.find(name) else {
        return Err(error::invoke(name, &format!("couldn't find output binding {name}")));
    };
    let binding = &**binding;
    if !binding.output.operations().contains(&request.operation.as_str()) {
        let (operation, supported) = (&request.operation, binding.output.operations().join(" "));
        let said = format!(
            "binding {name} does not support operation {operation}. supported operations:{supported}"
        );
        return Err(error::invoke(name, &said));
    }
    binding.invoke(request).await.map_err(|reason| error::invoke(name, &reason))
}

// === impl OutputBinding ===

impl OutputBinding {
    pub(crate) fn new(output: Output) -> Self {
        Self { output, policy: None, meter: OnceLock::new() }
    }

    async fn invoke(&self, request: Request) -> Result<Option<Response>, String> {
        let Some(meter) = self.meter.get() else { return self.called(request).await };
        let (begun, operation) = (Instant::now(), request.operation.clone());
        let answer = self.called(request).await;
        meter.count(&operation, answer.is_ok(), Some(begun));
        answer
    }

    async fn called(&self, request: Request) -> Result<Option<Response>, String> {
        match &self.policy {
            None => self.output.invoke(request).await.map_err(|failure| failure.to_string()),
            // Aside, so that calls without it are not larger.
            Some(policy) => Box::pin(self.under(policy, request)).await,
        }
    }

    /// Makes a call as often as a policy has it. As with Dapr, any operation is tried again: what a try did whose answer did
    /// not come, a further one does again.
    async fn under(&self, policy: &Policy, request: Request) -> Result<Option<Response>, String> {
        let request = self.output.repeatable(request);
        let judge = |outcome: &Result<_, Failure>| match outcome {
            Ok(_) => Judged::Success,
            Err(failure) => failure.judged(policy),
        };
        let outcome = policy.run(|| self.output.invoke(request.clone()), judge).await;
        outcome.map_err(|stopped| stopped.to_string())?.map_err(|failure| failure.to_string())
    }
}

// === impl Output ===

impl Output {
    /// What it can be asked for.
    pub(crate) const fn operations(&self) -> &'static [&'static str] {
        match self {
            Self::Http(_) => http::OPERATIONS,
            Self::LocalStorage(_) => local::OPERATIONS,
        }
    }

    /// The request in a form of which a second try does what the first did.
    fn repeatable(&self, request: Request) -> Request {
        match self {
            Self::Http(_) => request,
            Self::LocalStorage(_) => local::named(request),
        }
    }

    async fn invoke(&self, request: Request) -> Result<Option<Response>, Failure> {
        match self {
            Self::Http(http) => http.invoke(request).await.map(Some),
            Self::LocalStorage(storage) => storage.invoke(request).await,
        }
    }
}
