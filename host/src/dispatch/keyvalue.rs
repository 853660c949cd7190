//! The contract `wascc:keyvalue` in MessagePack, over a provider.

use std::time::Duration;

use bytes::Bytes;
use pillion_capabilities::KeyValue;
use pillion_capabilities::keyvalue::{Entry, SetOptions, When};
use pillion_codec::{
    AddRequest, AddResponse, DecodeError, GetResponse, Item, Key, Keys, List, NewCount, RangeRequest,
    SetRequest, SetResponse, Values,
};

use super::Contract;
use super::answer::{answer, malformed, unknown};
use crate::engine::{Dispatched, Reply};

/// Values up to this size are copied into the reply's buffer: cheaper than handing them on.
const SMALL: usize = 512;

/// Makes one call of the contract.
#[inline]
pub(super) fn dispatch(
    provider: &dyn KeyValue,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Dispatched {
    match call(provider, operation, payload, reply) {
        Ok(dispatched) => dispatched,
        Err(error) => malformed(Contract::KeyValue, operation, error, reply),
    }
}

#[inline]
fn call(
    provider: &dyn KeyValue,
    operation: &[u8],
    payload: &[u8],
    reply: &mut Reply,
) -> Result<Dispatched, DecodeError> {
    Ok(match operation {
        b"Get" => answer(provider.get(Key::decode(payload)?.key), payload, reply, value),
        b"Set" => {
            let request = SetRequest::decode(payload)?;
            let ttl = u64::try_from(request.expires).map_err(|_| DecodeError::OutOfRange)?;
            let ttl = (ttl > 0).then(|| Duration::from_secs(ttl));
            let options = SetOptions { ttl, when: When::Always };
            let set = provider.set(request.key, Bytes::copy_from_slice(request.value), options);
            answer(set, payload, reply, |_, payload, reply| {
                if let Ok(request) = SetRequest::decode(payload) {
                    SetResponse { value: request.value }.encode(reply.respond());
                }
            })
        }
        b"Add" => {
            let request = AddRequest::decode(payload)?;
            answer(provider.add(request.key, request.value), payload, reply, |value, _, reply| {
                AddResponse { value }.encode(reply.respond());
            })
        }
        b"Del" => answer(provider.delete(Key::decode(payload)?.key, When::Always), payload, reply, same_key),
        b"KeyExists" => {
            answer(provider.exists(Key::decode(payload)?.key), payload, reply, |exists, _, reply| {
                GetResponse { value: b"", exists }.encode(reply.respond());
            })
        }
        b"Range" => {
            let request = RangeRequest::decode(payload)?;
            answer(provider.list_range(request.key, request.start, request.stop), payload, reply, values)
        }
        b"Push" => {
            let request = Item::decode(payload)?;
            answer(provider.list_push(request.key, owned(request)), payload, reply, new_count)
        }
        b"ListItemDelete" => {
            let request = Item::decode(payload)?;
            answer(provider.list_remove(request.key, owned(request)), payload, reply, new_count)
        }
        b"Clear" => answer(provider.list_clear(Key::decode(payload)?.key), payload, reply, same_key),
        b"SetAdd" => {
            let request = Item::decode(payload)?;
            answer(provider.set_add(request.key, owned(request)), payload, reply, new_count)
        }
        b"SetRemove" => {
            let request = Item::decode(payload)?;
            answer(provider.set_remove(request.key, owned(request)), payload, reply, new_count)
        }
        b"SetQuery" => answer(provider.set_members(Key::decode(payload)?.key), payload, reply, values),
        b"SetUnion" => answer(provider.set_union(&keys(payload)?), payload, reply, values),
        b"SetIntersection" => answer(provider.set_intersection(&keys(payload)?), payload, reply, values),
        _ => unknown(Contract::KeyValue, operation, reply),
    })
}

#[inline]
fn value(entry: Option<Entry>, _: &[u8], reply: &mut Reply) {
    let Some(Entry { value, .. }) = entry else {
        return GetResponse { value: b"", exists: false }.encode(reply.respond());
    };
    let response = GetResponse { value: &value, exists: true };
    if value.len() <= SMALL {
        return response.encode(reply.respond());
    }
    let place = response.encode_around_value(reply.respond());
    reply.insert(place, value);
}

fn same_key(_: bool, payload: &[u8], reply: &mut Reply) {
    if let Ok(request) = Key::decode(payload) {
        request.encode(reply.respond());
    }
}

fn new_count(count: u64, _: &[u8], reply: &mut Reply) {
    NewCount { new_count: i64::try_from(count).unwrap_or(i64::MAX) }.encode(reply.respond());
}

#[expect(clippy::needless_pass_by_value, reason = "as all encoders")]
fn values(values: Vec<Bytes>, _: &[u8], reply: &mut Reply) {
    let values: Vec<&[u8]> = values.iter().map(|value| &**value).collect();
    Values { values: List::new(&values) }.encode(reply.respond());
}

fn owned(request: Item<'_>) -> Bytes {
    Bytes::copy_from_slice(request.value)
}

fn keys(payload: &[u8]) -> Result<Vec<&str>, DecodeError> {
    let keys = Keys::decode(payload)?.keys;
    keys.iter().map(|key| std::str::from_utf8(key).map_err(|_| DecodeError::NotUtf8)).collect()
}
