//! The contract `pillion:secrets` in MessagePack, over a provider. waSCC has none of the kind: this one is ours.
//!
//! What a binding may read is its own affair: see [`pillion_capabilities::secrets::allowed`]. No error of this contract
//! has a value in it, and the values go nowhere but into the reply.

use std::collections::BTreeMap;
use std::sync::Arc;

use pillion_capabilities::secrets::{ExposeSecret, Secret};
use pillion_capabilities::{Result, Secrets};
use pillion_codec::{
    DecodeError, List, Map, SecretNames, SecretRequest, SecretResponse, SecretText, SecretsResponse,
};

use super::Contract;
use super::answer::{answer, answer_in_turns, malformed, unknown};
use crate::engine::{Dispatched, Reply};

/// Makes one call of the contract.
pub(super) fn dispatch(
    provider: &Arc<dyn Secrets>,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Dispatched {
    match call(provider, operation, payload, reply) {
        Ok(dispatched) => dispatched,
        Err(error) => malformed(Contract::Secrets, operation, error, reply),
    }
}

fn call(
    provider: &Arc<dyn Secrets>,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Result<Dispatched, DecodeError> {
    Ok(match operation {
        b"Get" => {
            let SecretRequest { secret } = SecretRequest::decode(payload)?;
            answer(provider.get(secret), payload, reply, |secret, _, reply| {
                let values = secret.as_ref().map(texts).unwrap_or_default();
                let exists = secret.is_some();
                SecretResponse { exists, values: Map::new(&values) }.encode(reply.respond());
            })
        }
        b"BulkGet" => {
            let names = texts_of(SecretNames::decode(payload)?.secrets)?;
            if names.is_empty() {
                answer(provider.bulk(), payload, reply, |secrets, _, reply| encode(&secrets, reply))
            } else {
                answer_in_turns(named(Arc::clone(provider), names), reply)
            }
        }
        _ => unknown(Contract::Secrets, operation, reply),
    })
}

/// Those of some secrets that are there. One that may not be read fails them all.
async fn named(provider: Arc<dyn Secrets>, names: Vec<String>) -> Result<Reply> {
    let mut secrets = BTreeMap::new();
    for name in names {
        if let Some(secret) = provider.get(&name).wait().await? {
            secrets.insert(name, secret);
        }
    }
    let mut reply = Reply::default();
    encode(&secrets, &mut reply);
    Ok(reply)
}

fn encode(secrets: &BTreeMap<String, Secret>, reply: &mut Reply) {
    let all: Vec<_> = secrets.iter().map(|(name, secret)| (name.as_str(), texts(secret))).collect();
    let all: Vec<_> = all.iter().map(|(name, values)| (*name, Map::new(values))).collect();
    SecretsResponse { secrets: Map::new(&all) }.encode(reply.respond());
}

fn texts(secret: &Secret) -> Vec<(&str, SecretText<'_>)> {
    secret.iter().map(|(key, value)| (key.as_str(), SecretText::new(value.expose_secret()))).collect()
}

/// The texts of a list.
pub(super) fn texts_of(list: List<'_>) -> Result<Vec<String>, DecodeError> {
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::NotUtf8);
    list.iter().map(text).collect()
}
