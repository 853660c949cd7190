//! The contract `wascc:extras` in MessagePack, over a provider.

use pillion_capabilities::Extras;
use pillion_codec::{DecodeError, GeneratorRequest, GeneratorResult};

use super::Contract;
use super::answer::{answer, malformed, unknown};
use crate::engine::{Dispatched, Reply};

/// Nothing of what could be asked for.
const NOTHING: GeneratorResult<'_> = GeneratorResult { guid: None, sequence_number: 0, random_number: 0 };

/// Makes one call of the contract.
pub(super) fn dispatch(
    provider: &dyn Extras,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Dispatched {
    match call(provider, operation, payload, reply) {
        Ok(dispatched) => dispatched,
        Err(error) => malformed(Contract::Extras, operation, error, reply),
    }
}

fn call(
    provider: &dyn Extras,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Result<Dispatched, DecodeError> {
    Ok(match operation {
        b"RequestGuid" => {
            GeneratorRequest::decode(payload)?;
            answer(provider.guid(), payload, reply, |guid, _, reply| {
                let guid = guid.to_string();
                GeneratorResult { guid: Some(&guid), ..NOTHING }.encode(reply.respond());
            })
        }
        b"RequestSequence" => {
            GeneratorRequest::decode(payload)?;
            answer(provider.sequence(), payload, reply, |number, _, reply| {
                let sequence_number = i64::try_from(number).unwrap_or(i64::MAX);
                GeneratorResult { sequence_number, ..NOTHING }.encode(reply.respond());
            })
        }
        b"RequestRandom" => {
            let GeneratorRequest { min, max, .. } = GeneratorRequest::decode(payload)?;
            answer(provider.random(min.into(), max.into()), payload, reply, |number, _, reply| {
                // It is not above `max`.
                let random_number = u32::try_from(number).unwrap_or(u32::MAX);
                GeneratorResult { random_number, ..NOTHING }.encode(reply.respond());
            })
        }
        _ => unknown(Contract::Extras, operation, reply),
    })
}
