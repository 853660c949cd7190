//! The parts of Dapr's API that are outside of this sidecar's subset: what they are called, and what is answered.

use http::{Method, StatusCode};
use tonic::Code;

use crate::ApiError;

/// A part of the API that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Virtual actors.
    Actors,
    /// Workflows.
    Workflows,
    /// Jobs by Dapr's scheduler.
    Jobs,
    /// Cryptography.
    Crypto,
    /// Language models.
    Conversation,
    /// Search.
    Search,
}

// === impl Outside ===

impl Outside {
    /// The part that a path is of, by what comes behind its version.
    pub(crate) fn of_path(version: &str, block: &str) -> Option<Self> {
        Some(match (version, block) {
            ("v1.0", "actors") => Self::Actors,
            ("v1.0" | "v1.0-alpha1" | "v1.0-beta1", "workflows") => Self::Workflows,
            ("v1.0" | "v1.0-alpha1", "jobs") => Self::Jobs,
            ("v1.0-alpha1", "crypto" | "subtlecrypto") => Self::Crypto,
            ("v1.0-alpha1" | "v1.0-alpha2", "conversation") => Self::Conversation,
            _ => return None,
        })
    }

    /// The part that a method of the service `Dapr` is of, by its name.
    pub(crate) fn of_method(method: &str) -> Option<Self> {
        let has = |parts: &[&str]| parts.iter().any(|part| method.contains(part));
        Some(match method {
            _ if has(&["Actor"]) => Self::Actors,
            _ if has(&["Workflow"]) => Self::Workflows,
            _ if has(&["Job"]) => Self::Jobs,
            _ if has(&["Encrypt", "Decrypt", "Subtle"]) => Self::Crypto,
            _ if has(&["Converse"]) => Self::Conversation,
            _ if has(&["Vectors", "Collection", "Index", "Documents", "SearchAlpha"]) => Self::Search,
            _ => return None,
        })
    }

    /// Its name for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Actors => "actors",
            Self::Workflows => "workflows",
            Self::Jobs => "jobs",
            Self::Crypto => "cryptography",
            Self::Conversation => "conversation",
            Self::Search => "search",
        }
    }

    /// What is answered over HTTP: what Dapr's own runtime says where that part is not set up, with the reason.
    pub(crate) fn error(self, method: &Method) -> ApiError {
        const INTERNAL: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;
        let (status, error_code, said) = match self {
            Self::Actors => (INTERNAL, "ERR_ACTOR_RUNTIME_NOT_FOUND", "the actor runtime is not there"),
            Self::Workflows => (
                StatusCode::NOT_FOUND,
                "ERR_WORKFLOW_COMPONENT_NOT_FOUND",
                "the workflow engine is not there",
            ),
            Self::Jobs => {
                let error_code = match *method {
                    Method::GET => "DAPR_SCHEDULER_GET_JOB",
                    Method::DELETE => "DAPR_SCHEDULER_DELETE_JOB",
                    _ => "DAPR_SCHEDULER_SCHEDULE_JOB",
                };
                (INTERNAL, error_code, "the scheduler is not there")
            }
            Self::Crypto => {
                (INTERNAL, "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED", "crypto providers not configured")
            }
            Self::Conversation => (
                StatusCode::BAD_REQUEST,
                "ERR_CONVERSATION_NOT_FOUND",
                "the conversation component is not there",
            ),
            Self::Search => (StatusCode::NOT_FOUND, "ERR_DIRECT_INVOKE", "search is not there"),
        };
        let name = self.name();
        let message = format!("{said}: {name} are outside of this sidecar's subset of Dapr's API");
        let message = match self {
            Self::Actors | Self::Workflows | Self::Jobs => message,
            _ => message.replace(" are outside", " is outside"),
        };
        ApiError::new(status, Code::Unimplemented, error_code, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_known_by_their_methods() {
        for (method, part) in [
            ("InvokeActor", Outside::Actors),
            ("SubscribeActorEventsAlpha1", Outside::Actors),
            ("StartWorkflowBeta1", Outside::Workflows),
            ("ScheduleJobAlpha1", Outside::Jobs),
            ("SubtleSignAlpha1", Outside::Crypto),
            ("EncryptAlpha1", Outside::Crypto),
            ("ConverseAlpha2", Outside::Conversation),
            ("QueryVectorsAlpha1", Outside::Search),
        ] {
            assert_eq!(Outside::of_method(method), Some(part), "{method}");
        }
        for method in ["GetState", "GetSecret", "TryLockAlpha1", "SubscribeTopicEventsAlpha1", "Nothing"] {
            assert_eq!(Outside::of_method(method), None, "{method}");
        }
    }
}
