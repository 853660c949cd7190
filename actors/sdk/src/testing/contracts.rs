//! What each contract answers: what hosts and their providers in memory answer, in their words.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pillion_codec::{
    BrokerMessage, ConfigurationItem, ConfigurationItems, ConfigurationKeys, DecodeError, GeneratorRequest,
    GeneratorResult, Headers, List, Map, Request, RequestMessage, Response, SecretNames, SecretRequest,
    SecretResponse, SecretText, SecretsResponse, SubscriptionId, Unsubscribed, WriteLogRequest,
};

use super::host::{State, Subscription};
use super::{HttpRequest, Outcome, Published};
use crate::logging::Level;
use crate::reply::phrase;

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

/// The bytes of a topic's name, at most.
const LONGEST_TOPIC: usize = 255;

/// So long a request may wait for its reply.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// So many a binding may have.
const MOST_SUBSCRIPTIONS: usize = 16;

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
            let message = read(contract, operation, BrokerMessage::decode(payload))?;
            check_topic("topic", message.subject)?;
            if !message.reply_to.is_empty() {
                check_topic("topic to reply to", message.reply_to)?;
            }
            state.published.borrow_mut().push(Published {
                binding: binding.to_owned(),
                subject: message.subject.to_owned(),
                reply_to: message.reply_to.to_owned(),
                body: message.body.to_vec(),
            });
            Ok(Vec::new())
        }
        ("wascc:messaging", "Request") => {
            let RequestMessage { subject, body, timeout } =
                read(contract, operation, RequestMessage::decode(payload))?;
            let timeout = u64::try_from(timeout).map_err(|_| DecodeError::OutOfRange);
            let timeout = Duration::from_millis(read(contract, operation, timeout)?);
            check_topic("topic", subject)?;
            if timeout.is_zero() || timeout > LONGEST_TIMEOUT {
                return Err(format!(
                    "a request cannot wait {timeout:?}; allow up to an hour, but not nothing"
                ));
            }
            match &*state.respond.borrow() {
                Some(respond) => respond(subject, body),
                // As a broker says that knows at once that nobody is subscribed.
                None => {
                    let remedy = "see that a subscriber runs, or wait longer";
                    Err(format!("nobody replied on topic {subject} within 0ns; {remedy}"))
                }
            }
        }
        ("wascc:http_client", "PerformRequest") => http(state, payload),
        ("wascc:logging", "WriteLog") => {
            let WriteLogRequest { level, body } =
                read(contract, operation, WriteLogRequest::decode(payload))?;
            let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];
            match levels.into_iter().find(|known| *known as u32 == level) {
                Some(level) => state.lines.borrow_mut().push((level, body.to_owned())),
                // A line that is off.
                None if level == 0 => {}
                None => {
                    return Err(format!(
                        "{level} is no level of a log line; name one from 0 (off) to 5 (trace)"
                    ));
                }
            }
            Ok(Vec::new())
        }
        ("wascc:extras", _) => numbers(state, operation, payload),
        ("pillion:secrets", _) => secrets(state, operation, payload),
        ("pillion:configuration", _) => configuration(state, binding, operation, payload),
        _ => unknown(contract, operation),
    }
}

fn http(state: &State, payload: &[u8]) -> Outcome {
    let Request { method, path, query_string, header, body } =
        read("wascc:http_client", "PerformRequest", Request::decode(payload))?;
    let mut url = path.to_owned();
    if !query_string.is_empty() {
        url.push(if path.contains('?') { '&' } else { '?' });
        url.push_str(query_string);
    }
    if !is_whole(&url) {
        let shown = url.split('?').next().unwrap_or_default();
        let shown = shown.rsplit_once('@').map_or(shown, |(_, behind)| behind);
        let remedy = "write it as https://HOST/PATH, without a user's name";
        return Err(format!("{shown:?} is no URL of a request; {remedy}"));
    }
    let header = header.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let request = HttpRequest { method: method.to_owned(), url, header, body: body.to_vec() };
    let reply = match &*state.http.borrow() {
        Some(serve) => serve(&request)?,
        None => return Err(format!("{} cannot be reached: this host has no serve_http", request.url)),
    };
    // As hosts do: names in lower case, and fields of one name joined.
    let mut fields = BTreeMap::<String, String>::new();
    for (name, value) in &reply.header {
        let joined = fields.entry(name.to_ascii_lowercase());
        joined.and_modify(|joined| *joined = [joined, ", ", value].concat()).or_insert_with(|| value.clone());
    }
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let (status_code, status) = (reply.status.into(), phrase(reply.status));
    let header = Headers::new(&fields);
    encoded(|out| Response { status_code, status, header, body: &reply.body }.encode(out))
}

/// Whether it has a scheme and a host.
fn is_whole(url: &str) -> bool {
    let behind = ["http://", "https://"].iter().find_map(|scheme| {
        let (begin, behind) = url.split_at_checked(scheme.len())?;
        begin.eq_ignore_ascii_case(scheme).then_some(behind)
    });
    behind
        .and_then(|behind| behind.split(['/', '?', '#']).next())
        .is_some_and(|host| !host.is_empty() && !host.contains('@'))
}

fn numbers(state: &State, operation: &str, payload: &[u8]) -> Outcome {
    if !["RequestGuid", "RequestSequence", "RequestRandom"].contains(&operation) {
        return unknown("wascc:extras", operation);
    }
    let GeneratorRequest { min, max, .. } =
        read("wascc:extras", operation, GeneratorRequest::decode(payload))?;
    let nothing = GeneratorResult { guid: None, sequence_number: 0, random_number: 0 };
    let guid;
    let result = match operation {
        "RequestGuid" => {
            guid = format!("00000000-0000-4000-8000-{:012x}", state.next());
            GeneratorResult { guid: Some(&guid), ..nothing }
        }
        "RequestSequence" => {
            let sequence_number = state.sequence.replace(state.sequence.get() + 1);
            GeneratorResult { sequence_number, ..nothing }
        }
        _ if min > max => {
            return Err(format!("there is no number from {min} to {max}; name the smaller bound first"));
        }
        _ => {
            // A step of a linear congruential generator: spread, and the same in each run.
            let spread = state.next().wrapping_mul(6_364_136_223_846_793_005) >> 33;
            let width = u64::from(max - min) + 1;
            GeneratorResult { random_number: min + (spread % width) as u32, ..nothing }
        }
    };
    encoded(|out| result.encode(out))
}

fn secrets(state: &State, operation: &str, payload: &[u8]) -> Outcome {
    const CONTRACT: &str = "pillion:secrets";
    let secrets = state.secrets.borrow();
    let of = |name: &str| -> Option<Vec<(&str, SecretText<'_>)>> {
        let values = secrets.get(name)?.iter();
        Some(values.map(|(key, value)| (key.as_str(), SecretText::new(value))).collect())
    };
    match operation {
        "Get" => {
            let name = read(CONTRACT, operation, SecretRequest::decode(payload))?.secret;
            check_key(name)?;
            let values = of(name);
            let exists = values.is_some();
            let values = values.unwrap_or_default();
            encoded(|out| SecretResponse { exists, values: Map::new(&values) }.encode(out))
        }
        "BulkGet" => {
            let names = read(CONTRACT, operation, SecretNames::decode(payload))?.secrets;
            // Each once, in the order of their names.
            let mut names: BTreeSet<String> = texts(CONTRACT, operation, names)?.into_iter().collect();
            names.iter().try_for_each(|name| check_key(name))?;
            if names.is_empty() {
                names = secrets.keys().cloned().collect();
            }
            let found: Vec<_> = names.iter().filter_map(|name| Some((name.as_str(), of(name)?))).collect();
            let found: Vec<_> = found.iter().map(|(name, values)| (*name, Map::new(values))).collect();
            encoded(|out| SecretsResponse { secrets: Map::new(&found) }.encode(out))
        }
        _ => unknown(CONTRACT, operation),
    }
}

fn configuration(state: &State, binding: &str, operation: &str, payload: &[u8]) -> Outcome {
    const CONTRACT: &str = "pillion:configuration";
    let keys = || {
        let keys = read(CONTRACT, operation, ConfigurationKeys::decode(payload))?.keys;
        texts(CONTRACT, operation, keys)
    };
    match operation {
        "Get" => {
            let (keys, items) = (keys()?, state.items.borrow());
            let wanted = items.iter().filter(|(key, _)| keys.is_empty() || keys.contains(key));
            let items: Vec<_> = wanted.map(|(key, value)| (key.as_str(), item(value))).collect();
            encoded(|out| ConfigurationItems { items: Map::new(&items) }.encode(out))
        }
        "Subscribe" => {
            let (binding, keys) = (binding.to_owned(), keys()?);
            let mut all = state.subscriptions.borrow_mut();
            if all.values().filter(|other| other.binding == binding).count() >= MOST_SUBSCRIPTIONS {
                let what = "subscriptions of a binding to the configuration; end some";
                return Err(format!("more than {MOST_SUBSCRIPTIONS} {what}"));
            }
            let id = format!("subscription-{}", state.next());
            all.insert(id.clone(), Subscription { binding, keys });
            encoded(|out| SubscriptionId { id: &id }.encode(out))
        }
        "Unsubscribe" => {
            let id = read(CONTRACT, operation, SubscriptionId::decode(payload))?.id;
            let mut all = state.subscriptions.borrow_mut();
            // One that is another binding's is not there, as far as this one knows.
            let ended = all.get(id).is_some_and(|found| found.binding == binding);
            if ended {
                all.remove(id);
            }
            encoded(|out| Unsubscribed { ended }.encode(out))
        }
        _ => unknown(CONTRACT, operation),
    }
}

/// An item without a version.
pub(super) fn item(value: &str) -> ConfigurationItem<'_> {
    ConfigurationItem { value, version: "", metadata: Map::new(&[]) }
}

fn texts(contract: &str, operation: &str, list: List<'_>) -> Result<Vec<String>, String> {
    let text = |bytes| str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::NotUtf8);
    read(contract, operation, list.iter().map(text).collect())
}

pub(super) fn check_key(key: &str) -> Result<(), String> {
    if key.is_empty() { Err("the key is empty; name one".to_owned()) } else { Ok(()) }
}

fn check_topic(what: &str, name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("the {what} is empty; name one"));
    }
    if name.len() > LONGEST_TOPIC {
        return Err(format!("the {what} has {} bytes; {LONGEST_TOPIC} are the most", name.len()));
    }
    if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(format!("the {what} {name:?} has white space or control characters; leave them out"));
    }
    Ok(())
}

pub(super) fn read<T>(contract: &str, operation: &str, message: Result<T, DecodeError>) -> Result<T, String> {
    message.map_err(|error| format!("the request of {contract} {operation} is malformed: {error}"))
}

pub(super) fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Outcome {
    let mut bytes = Vec::new();
    encode(&mut bytes);
    Ok(bytes)
}

pub(super) fn unknown(contract: &str, operation: &str) -> Outcome {
    Err(format!("{contract} has no operation {operation:?}"))
}
