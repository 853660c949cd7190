//! A sidecar through shared memory.

use pillion_calls::{Outcome, Request};
use pillion_logic::CallError;
use pillion_shared_memory::Client;

use crate::calls::{Calls, Carrier};
use crate::token::ApiToken;

/// A sidecar through shared memory, which no shipped sidecar does: the limit of the architecture.
pub type SharedMemorySidecar = Calls<SharedMemoryCarrier>;

/// The shared memory.
pub struct SharedMemoryCarrier(Client);

// === impl SharedMemorySidecar ===

impl SharedMemorySidecar {
    /// A client of the sidecar that serves under `name`, for the state store `store`, with the token that it asks for. It
    /// connects with its first call. A call that waits spins before it sleeps; one that is to be `busy` never sleeps.
    #[must_use]
    pub fn new(name: &str, store: &str, token: Option<&ApiToken>, busy: bool) -> Self {
        let token = token.and_then(|token| token.0.to_str().ok()).map(str::to_owned);
        let carrier = SharedMemoryCarrier(Client::new(name, token, busy));
        Self { carrier, store: store.to_owned(), bulk: false }
    }
}

// === impl SharedMemoryCarrier ===

impl Carrier for SharedMemoryCarrier {
    fn place(&self) -> String {
        format!("shared memory {}", self.0.name())
    }

    async fn call(&self, request: Request) -> Result<Option<Outcome>, CallError> {
        let failed = |error: pillion_shared_memory::ClientError| {
            CallError(format!("sidecar at {}: {error}; is it running?", self.place()))
        };
        self.0.call(request).await.map_err(failed)
    }
}
