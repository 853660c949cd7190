//! From a component file to a component for publish and subscribe.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pillion_capabilities::Messaging;
use pillion_capabilities::messaging::{
    JetStream, Limits, Memory, RedisStreams, Storage, StreamOptions, Streams,
};
use pillion_capabilities::trace::Tracing;

use super::redis;
use crate::Flags;
use crate::component::{ComponentError, Manifest};
use crate::flags::is_true;
use crate::pubsub::{Parts, PubSub, SCOPE_SETTINGS, Scopes, Terms};

/// So many messages of a topic wait at most.
const MESSAGES: u32 = 1_000_000;
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);
/// Handlers of a subscription at a time, where nobody says: as many as come, within reason.
const HANDLERS: usize = 1_024;
const MOST_HANDLERS: usize = 16_384;

const REDIS: &[&str] =
    &["consumerID", "redeliverInterval", "processingTimeout", "concurrency", "queueDepth", "maxLenApprox"];
const JETSTREAM: &[&str] = &[
    "natsURL",
    "name",
    "streamName",
    "durableName",
    "queueGroupName",
    "consumerID",
    "ackWait",
    "maxDeliver",
    "maxAckPending",
    "memoryStorage",
    "concurrency",
    "token",
];
/// Settings of a way to log in that there is not.
const JETSTREAM_LOGIN: &[&str] = &["jwt", "seedKey", "tls_client_cert", "tls_client_key"];

/// Opens the provider of a component.
pub(super) async fn pubsub(
    manifest: &Manifest,
    file: &Path,
    flags: &Flags,
    tracing: Option<&Tracing>,
) -> Result<PubSub, ComponentError> {
    let wrong = |message: String| ComponentError::Setting {
        file: file.to_owned(),
        name: manifest.name.clone(),
        message,
    };
    let failed = |source| ComponentError::Open { file: file.to_owned(), name: manifest.name.clone(), source };
    let unknown = || ComponentError::UnknownType {
        file: file.to_owned(),
        name: manifest.name.clone(),
        kind: manifest.kind.clone(),
    };
    let group = ["consumerID"].into_iter().find_map(|name| manifest.setting(name)).unwrap_or(&flags.app_id);
    let group = Some(group.to_owned()).filter(|group| !group.is_empty());
    let (provider, terms): (Arc<dyn Messaging>, Terms) = match manifest.kind.as_str() {
        "pubsub.in-memory" => {
            manifest.warn_of_others(file, &[SCOPE_SETTINGS, &["consumerID"]]);
            let terms = Terms { group, max_deliveries: u32::MAX, ack_wait: LONGEST_WAIT, handlers: HANDLERS };
            (Arc::new(Memory::new(Limits::default())), terms)
        }
        "pubsub.redis" => {
            manifest.warn_of_others(file, &[SCOPE_SETTINGS, redis::SETTINGS, REDIS]);
            let terms = redis_terms(manifest, group).map_err(wrong)?;
            let messages = number(manifest, "maxLenApprox", MESSAGES).map_err(wrong)?;
            let url = redis::url(manifest).map_err(wrong)?;
            (Arc::new(RedisStreams::connect(&url, messages).await.map_err(failed)?), terms)
        }
        "pubsub.jetstream" => {
            manifest.warn_of_others(file, &[SCOPE_SETTINGS, JETSTREAM, JETSTREAM_LOGIN]);
            let terms = jetstream_terms(manifest, group).map_err(wrong)?;
            let url = nats_url(manifest).map_err(wrong)?;
            (Arc::new(JetStream::connect(&url, streams(manifest)).await.map_err(failed)?), terms)
        }
        _ => return Err(unknown()),
    };
    Ok(PubSub::new(Parts {
        name: manifest.name.clone(),
        kind: manifest.kind.clone(),
        version: manifest.version.clone(),
        provider,
        scopes: Scopes::new(&flags.app_id, |name| manifest.setting(name)),
        terms,
        tracing: tracing.cloned(),
    }))
}

/// Dapr looks every `redeliverInterval` for messages that are with somebody since `processingTimeout`: with the default of
/// 60 s and 15 s a message comes again after some time between 15 s and 75 s. Here it comes after the longer of the two.
fn redis_terms(manifest: &Manifest, group: Option<String>) -> Result<Terms, String> {
    let interval = duration(manifest, "redeliverInterval", Duration::from_secs(60))?;
    let timeout = duration(manifest, "processingTimeout", Duration::from_secs(15))?;
    let never = interval.is_zero() || timeout.is_zero();
    let ack_wait = if never { LONGEST_WAIT } else { interval.max(timeout) };
    // Dapr has a bounded queue before its workers; what is fetched ahead here follows the workers.
    let handlers = number(manifest, "concurrency", 10_usize)?;
    number(manifest, "queueDepth", 100_usize)?;
    terms(group, u32::MAX, ack_wait, handlers)
}

fn jetstream_terms(manifest: &Manifest, group: Option<String>) -> Result<Terms, String> {
    let named = ["queueGroupName", "durableName"].into_iter().find_map(|name| manifest.setting(name));
    let group = named.map(str::to_owned).or(group);
    let ack_wait = duration(manifest, "ackWait", Duration::from_secs(30))?;
    let max_deliver: i64 = number(manifest, "maxDeliver", -1)?;
    let max_deliveries = u32::try_from(max_deliver).ok().filter(|most| *most > 0).unwrap_or(u32::MAX);
    let pending = number(manifest, "maxAckPending", HANDLERS)?;
    let handlers = match manifest.setting("concurrency") {
        None | Some("parallel") => pending,
        Some("single") => 1,
        Some(other) => return Err(format!("setting concurrency: {other:?} is neither single nor parallel")),
    };
    terms(group, max_deliveries, ack_wait, handlers)
}

fn terms(
    group: Option<String>,
    max_deliveries: u32,
    ack_wait: Duration,
    handlers: usize,
) -> Result<Terms, String> {
    let ack_wait = ack_wait.clamp(Duration::from_millis(1), LONGEST_WAIT);
    Ok(Terms { group, max_deliveries, ack_wait, handlers: handlers.clamp(1, MOST_HANDLERS) })
}

fn nats_url(manifest: &Manifest) -> Result<String, String> {
    let url = manifest.setting("natsURL");
    let url = url.ok_or("setting natsURL is missing: the server's URL, as nats://localhost:4222")?;
    if let Some(login) = JETSTREAM_LOGIN.iter().find(|name| manifest.setting(name).is_some()) {
        return Err(format!(
            "setting {login}: this way to log in is not supported; use a token or a password"
        ));
    }
    let Some(token) = manifest.setting("token") else { return Ok(url.to_owned()) };
    let (scheme, rest) = url.split_once("://").unwrap_or(("nats", url));
    Ok(format!("{scheme}://{token}@{rest}"))
}

/// A stream that has a name is one that somebody made; other topics get one of their own.
fn streams(manifest: &Manifest) -> Streams {
    if manifest.setting("streamName").is_some() {
        return Streams::Expected;
    }
    let memory = manifest.setting("memoryStorage").is_some_and(is_true);
    let storage = if memory { Storage::Memory } else { Storage::File };
    Streams::Made(StreamOptions { storage, ..StreamOptions::default() })
}

fn number<T: std::str::FromStr>(manifest: &Manifest, name: &str, default: T) -> Result<T, String> {
    let Some(text) = manifest.setting(name) else { return Ok(default) };
    text.trim().parse().map_err(|_| format!("setting {name}: {text:?} is not a number in range"))
}

/// A duration as Go writes it, or a number of milliseconds.
fn duration(manifest: &Manifest, name: &str, default: Duration) -> Result<Duration, String> {
    let Some(text) = manifest.setting(name) else { return Ok(default) };
    go_duration(text)
        .ok_or_else(|| format!("setting {name}: {text:?} is not a duration; write it as 15s, 1m30s or 500ms"))
}

fn go_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(milliseconds) = text.parse() {
        return Some(Duration::from_millis(milliseconds));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, unit) = rest.split_at(unit_at);
        let number: f64 = number.parse().ok()?;
        let unit_end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, after) = unit.split_at(unit_end);
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, expected) in [
            ("15s", Some(15_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("500ms", Some(500)),
            ("0", Some(0)),
            ("250", Some(250)),
            ("", None),
            ("s", None),
            ("15", Some(15)),
            ("15x", None),
            ("-1s", None),
            ("1e9h", None),
            ("99999999999999999999h", None),
        ] {
            assert_eq!(go_duration(text), expected.map(Duration::from_millis), "{text}");
        }
    }
}
