//! The contract `wascc:logging` in MessagePack, over a provider.

use pillion_capabilities::Logging;
use pillion_capabilities::logging::Level;
use pillion_codec::WriteLogRequest;

use super::Contract;
use super::answer::{answer, malformed, unknown};
use crate::engine::{Dispatched, Reply};

/// Makes one call of the contract for the actor of that key.
pub(super) fn dispatch(
    provider: &dyn Logging,
    actor: &str,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Dispatched {
    if operation != b"WriteLog" {
        return unknown(Contract::Logging, operation, reply);
    }
    let WriteLogRequest { level, body } = match WriteLogRequest::decode(payload) {
        Ok(request) => request,
        Err(error) => return malformed(Contract::Logging, operation, error, reply),
    };
    match Level::try_from(level) {
        Ok(level) => answer(provider.write(actor, level, body), payload, reply, |(), _, reply| {
            reply.respond();
        }),
        Err(error) => {
            reply.fail(error);
            Dispatched::Done
        }
    }
}
