//! What a guest needs of its host.

/// The text of a failed host call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostError(pub String);

/// A host that takes calls to the contract `wascc:keyvalue` under the binding `default`.
pub trait Host: Sync {
    /// Calls `operation`; `response` is replaced by the answer.
    ///
    /// # Errors
    /// The host's text.
    fn call(&self, operation: &str, request: &[u8], response: &mut Vec<u8>) -> Result<(), HostError>;
}
