//! What each contract answers.

use pillion_codec::{
    BrokerMessage, ConfigurationItem, ConfigurationItems, ConfigurationKeys, DecodeError, GeneratorRequest,
    GeneratorResult, Headers, List, Map, Request, RequestMessage, Response, SecretNames, SecretRequest,
    SecretResponse, SecretText, SecretsResponse, SubscriptionId, Unsubscribed, WriteLogRequest,
};

use super::host::State;
use super::{HttpRequest, Outcome, Published};
use crate::logging::Level;

/// The contracts that there are.
pub(super) const CONTRACTS: [&str; 9] = [
    "wascc:keyvalue",
    "wascc:messaging",
    "wascc:blobstore",
    "wascc:http_client",
    "wascc:logging",
    "wascc:eventstreams",
    "wascc:extras",
    "pillion:secrets",
    "pillion:configuration",
];

pub(super) fn answer(
    state: &State,
    binding: &str,
    contract: &str,
    operation: &str,
    payload: &[u8],
) -> Outcome {
    match (contract, operation) {
        ("wascc:keyvalue", _) => {
            state.stores.borrow_mut().entry(binding.to_owned()).or_default().answer(operation, payload)
        }
        ("wascc:blobstore", _) => state.blobs.borrow_mut().answer(operation, payload),
        ("wascc:eventstreams", _) => state.streams.borrow_mut().answer(operation, payload),
        ("wascc:messaging", "Publish") => {
            let message = read(operation, BrokerMessage::decode(payload))?;
            state.published.borrow_mut().push(Published {
                binding: binding.to_owned(),
                subject: message.subject.to_owned(),
                reply_to: message.reply_to.to_owned(),
                body: message.body.to_vec(),
            });
            Ok(Vec::new())
        }
        ("wascc:messaging", "Request") => {
            let RequestMessage { subject, body, timeout } = read(operation, RequestMessage::decode(payload))?;
            match &*state.respond.borrow() {
                Some(respond) => respond(subject, body),
                None => Err(format!("nobody replied on topic {subject} within {timeout}ms")),
            }
        }
        ("wascc:http_client", "PerformRequest") => http(state, payload),
        ("wascc:logging", "WriteLog") => {
            let WriteLogRequest { level, body } = read(operation, WriteLogRequest::decode(payload))?;
            let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
            let level = levels.into_iter().find(|known| *known as u32 == level);
            let level = level.ok_or_else(|| "a level is from 1 to 5".to_owned())?;
            state.lines.borrow_mut().push((level, body.to_owned()));
            Ok(Vec::new())
        }
        ("wascc:extras", _) => numbers(state, operation, payload),
        ("pillion:secrets", _) => secrets(state, operation, payload),
        ("pillion:configuration", _) => configuration(state, operation, payload),
        _ => unknown(contract, operation),
    }
}

fn http(state: &State, payload: &[u8]) -> Outcome {
    let Request { method, path, query_string, header, body } =
        read("PerformRequest", Request::decode(payload))?;
    let mut url = path.to_owned();
    if !query_string.is_empty() {
        url.push(if path.contains('?') { '&' } else { '?' });
        url.push_str(query_string);
    }
    let header = header.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let request = HttpRequest { method: method.to_owned(), url, header, body: body.to_vec() };
    let reply = match &*state.http.borrow() {
        Some(serve) => serve(&request)?,
        None => return Err(format!("{} cannot be reached: this host has no serve_http", request.url)),
    };
    let fields: Vec<(&str, &str)> = reply.header.iter().map(|(name, value)| (&**name, &**value)).collect();
    let header = Headers::new(&fields);
    let status_code = reply.status.into();
    encoded(|out| Response { status_code, status: "", header, body: &reply.body }.encode(out))
}

fn numbers(state: &State, operation: &str, payload: &[u8]) -> Outcome {
    let GeneratorRequest { min, max, .. } = read(operation, GeneratorRequest::decode(payload))?;
    let nothing = GeneratorResult { guid: None, sequence_number: 0, random_number: 0 };
    let next = state.next();
    let guid = format!("00000000-0000-4000-8000-{next:012x}");
    let result = match operation {
        "RequestGuid" => GeneratorResult { guid: Some(&guid), ..nothing },
        "RequestSequence" => GeneratorResult { sequence_number: next as i64, ..nothing },
        "RequestRandom" if min > max => return Err(format!("no number is from {min} to {max}")),
        "RequestRandom" => {
            // A step of a linear congruential generator: spread, and the same in each run.
            let spread = next.wrapping_mul(6_364_136_223_846_793_005) >> 33;
            let width = u64::from(max - min) + 1;
            GeneratorResult { random_number: min + (spread % width) as u32, ..nothing }
        }
        _ => return unknown("wascc:extras", operation),
    };
    encoded(|out| result.encode(out))
}

fn secrets(state: &State, operation: &str, payload: &[u8]) -> Outcome {
    let secrets = state.secrets.borrow();
    let of = |name: &str| -> Option<Vec<(&str, SecretText<'_>)>> {
        let values = secrets.get(name)?.iter();
        Some(values.map(|(key, value)| (key.as_str(), SecretText::new(value))).collect())
    };
    match operation {
        "Get" => {
            let values = of(read(operation, SecretRequest::decode(payload))?.secret);
            let exists = values.is_some();
            let values = values.unwrap_or_default();
            encoded(|out| SecretResponse { exists, values: Map::new(&values) }.encode(out))
        }
        "BulkGet" => {
            let mut names = texts(read(operation, SecretNames::decode(payload))?.secrets);
            if names.is_empty() {
                names = secrets.keys().cloned().collect();
            }
            let found: Vec<_> = names.iter().filter_map(|name| Some((name.as_str(), of(name)?))).collect();
            let found: Vec<_> = found.iter().map(|(name, values)| (*name, Map::new(values))).collect();
            encoded(|out| SecretsResponse { secrets: Map::new(&found) }.encode(out))
        }
        _ => unknown("pillion:secrets", operation),
    }
}

fn configuration(state: &State, operation: &str, payload: &[u8]) -> Outcome {
    let keys = || Ok::<_, String>(texts(read(operation, ConfigurationKeys::decode(payload))?.keys));
    match operation {
        "Get" => {
            let (keys, items) = (keys()?, state.items.borrow());
            let wanted = items.iter().filter(|(key, _)| keys.is_empty() || keys.contains(key));
            let items: Vec<_> = wanted.map(|(key, value)| (key.as_str(), item(value))).collect();
            encoded(|out| ConfigurationItems { items: Map::new(&items) }.encode(out))
        }
        "Subscribe" => {
            let id = format!("subscription-{}", state.next());
            state.subscriptions.borrow_mut().insert(id.clone(), keys()?);
            encoded(|out| SubscriptionId { id: &id }.encode(out))
        }
        "Unsubscribe" => {
            let id = read(operation, SubscriptionId::decode(payload))?.id;
            let ended = state.subscriptions.borrow_mut().remove(id).is_some();
            encoded(|out| Unsubscribed { ended }.encode(out))
        }
        _ => unknown("pillion:configuration", operation),
    }
}

/// An item without a version.
pub(super) fn item(value: &str) -> ConfigurationItem<'_> {
    ConfigurationItem { value, version: "", metadata: Map::new(&[]) }
}

fn texts(list: List<'_>) -> Vec<String> {
    list.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

pub(super) fn read<T>(operation: &str, message: Result<T, DecodeError>) -> Result<T, String> {
    message.map_err(|error| format!("the request of {operation} is malformed: {error}"))
}

pub(super) fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Outcome {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    Ok(bytes)
}

pub(super) fn unknown(contract: &str, operation: &str) -> Outcome {
    Err(format!("{contract} has no operation {operation:?}"))
}
