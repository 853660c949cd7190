//! From the files to the policies.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::breaker::{Breaker, Trip};
use super::retry::{Pace, Retry, ranges};
use super::spec::{BreakerSpec, Number, RetrySpec, Spec, TargetSpec, Time};
use super::{AppTarget, Bounded, Named, Resiliency, duration};
use crate::Flags;
use crate::component::{ComponentError, Resource, resources};

/// What the files under `--resources-path` say, if they say anything for this app.
///
/// # Errors
/// A file that cannot be read, or a policy that is wrong, or one that is named and not there.
pub(crate) fn read(flags: &Flags) -> Result<Option<Resiliency>, ComponentError> {
    let mut all: Option<Resiliency> = None;
    for Resource { file, name, spec } in resources::<Spec>(flags, "Resiliency")? {
        let added = add(all.get_or_insert_default(), spec, &file);
        if let Err(message) = added {
            return Err(ComponentError::Resiliency { file, name, message });
        }
        tracing::info!("resiliency {name} is there");
        if let Some(all) = &mut all {
            all.names.push(name);
        }
    }
    Ok(all)
}

fn add(all: &mut Resiliency, spec: Spec, file: &Path) -> Result<(), String> {
    for (name, time) in spec.policies.timeouts {
        let time = time.read().map_err(|wrong| format!("timeout {name}: {wrong}"))?;
        all.timeouts.insert(name, time);
    }
    for (name, spec) in spec.policies.retries {
        warn(file, "retry", &name, spec.rest.keys());
        let retry = retry(&spec).map_err(|wrong| format!("retry {name}: {wrong}"))?;
        all.retries.insert(name, retry);
    }
    for (name, spec) in spec.policies.circuit_breakers {
        warn(file, "circuitBreaker", &name, spec.rest.keys());
        let trip = trip(&spec).map_err(|wrong| format!("circuitBreaker {name}: {wrong}"))?;
        all.breakers.insert(name, trip);
    }
    for (name, target) in spec.targets.apps {
        let named = named(all, &target).map_err(|wrong| format!("app {name}: {wrong}"))?;
        let most = target.circuit_breaker_cache_size.unwrap_or_default();
        let breakers = Mutex::new(Bounded { most, ..Bounded::default() });
        all.apps.insert(name, AppTarget { named, breakers });
    }
    for (name, ways) in spec.targets.components {
        let way = |way: &str, spec: &TargetSpec| -> Result<Named, String> {
            let mut named = named(all, spec).map_err(|wrong| format!("component {name}.{way}: {wrong}"))?;
            let trip = all.breakers.get(&named.breaker);
            named.own = trip.map(|trip| Arc::new(Breaker::new(format!("{name}-{way}"), trip.clone())));
            Ok(named)
        };
        let ways = (way("outbound", &ways.outbound)?, way("inbound", &ways.inbound)?);
        all.components.insert(name, ways);
    }
    if !spec.targets.actors.is_empty() {
        tracing::warn!("{}: targets.actors has no effect: this sidecar has no actors", file.display());
    }
    Ok(())
}

/// A target whose policies are all there.
fn named(all: &Resiliency, spec: &TargetSpec) -> Result<Named, String> {
    fn known<T>(what: &str, name: &str, policies: &HashMap<String, T>) -> Result<(), String> {
        if name.is_empty() || policies.contains_key(name) {
            return Ok(());
        }
        Err(format!("there is no {what} {name:?} among the policies"))
    }
    known("timeout", &spec.timeout, &all.timeouts)?;
    known("retry", &spec.retry, &all.retries)?;
    known("circuitBreaker", &spec.circuit_breaker, &all.breakers)?;
    Ok(Named {
        timeout: spec.timeout.clone(),
        retry: spec.retry.clone(),
        breaker: spec.circuit_breaker.clone(),
        own: None,
    })
}

fn retry(spec: &RetrySpec) -> Result<Retry, String> {
    let time = |time: &Option<Time>, default| time.as_ref().map_or(Ok(default), Time::read);
    let pace = match spec.policy.to_ascii_lowercase().as_str() {
        "" | "constant" => Pace::Constant(time(&spec.duration, Duration::from_secs(5))?),
        "exponential" => Pace::Exponential(time(&spec.max_interval, Duration::from_secs(60))?),
        other => return Err(format!("policy {other:?} is neither constant nor exponential")),
    };
    let most = spec.max_retries.as_ref().map_or(Ok(-1), Number::read)?;
    let matching = |text: &Option<String>, allowed| {
        let text = text.as_deref().filter(|text| !text.trim().is_empty());
        text.map(|text| ranges(text, allowed)).transpose().map_err(|wrong| format!("matching: {wrong}"))
    };
    let none = super::spec::Matching::default();
    let codes = spec.matching.as_ref().unwrap_or(&none);
    Ok(Retry {
        pace,
        most: u64::try_from(most).ok(),
        http: matching(&codes.http, 100..=599)?,
        grpc: matching(&codes.grpc, 1..=16)?,
    })
}

fn trip(spec: &BreakerSpec) -> Result<Trip, String> {
    let time = |time: &Option<Time>, default| time.as_ref().map_or(Ok(default), Time::read);
    let text = spec.trip.as_deref().unwrap_or(Trip::WHEN);
    let max_requests = spec.max_requests.as_ref().map_or(Ok(1), Number::read)?;
    Ok(Trip {
        max_requests: u64::try_from(max_requests).ok().filter(|&most| most > 0).unwrap_or(1),
        interval: time(&spec.interval, Duration::ZERO)?,
        timeout: time(&spec.timeout, Trip::TIMEOUT)?,
        when: Arc::new(Trip::program(text)?),
        text: text.to_owned(),
    })
}

fn warn<'a>(file: &Path, what: &str, name: &str, fields: impl Iterator<Item = &'a String>) {
    for field in fields {
        tracing::warn!("{}: {what} {name}: {field} has no effect", file.display());
    }
}

// === impl Time ===

impl Time {
    fn read(&self) -> Result<Duration, String> {
        match self {
            Self::Number(millis) => Ok(Duration::from_millis(*millis)),
            Self::Text(text) => duration::parse(text),
        }
    }
}

// === impl Number ===

impl Number {
    fn read(&self) -> Result<i64, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Text(text) => text.trim().parse().map_err(|_| format!("{text:?} is no whole number")),
        }
    }
}
