//! The resource as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

/// `spec` of a `Resiliency`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spec {
    #[serde(default)]
    pub(super) policies: Policies,
    #[serde(default)]
    pub(super) targets: Targets,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policies {
    #[serde(default)]
    pub(super) timeouts: BTreeMap<String, Time>,
    #[serde(default)]
    pub(super) retries: BTreeMap<String, RetrySpec>,
    #[serde(default)]
    pub(super) circuit_breakers: BTreeMap<String, BreakerSpec>,
}

/// A length of time, as text or as a number of milliseconds.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Time {
    Number(u64),
    Text(String),
}

/// A whole number, also as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Number(i64),
    Text(String),
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RetrySpec {
    #[serde(default)]
    pub(super) policy: String,
    #[serde(default)]
    pub(super) duration: Option<Time>,
    #[serde(default)]
    pub(super) max_interval: Option<Time>,
    #[serde(default)]
    pub(super) max_retries: Option<Number>,
    #[serde(default)]
    pub(super) matching: Option<Matching>,
    #[serde(flatten)]
    pub(super) rest: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Matching {
    #[serde(default, rename = "httpStatusCodes")]
    pub(super) http: Option<String>,
    #[serde(default, rename = "gRPCStatusCodes")]
    pub(super) grpc: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BreakerSpec {
    #[serde(default)]
    pub(super) max_requests: Option<Number>,
    #[serde(default)]
    pub(super) interval: Option<Time>,
    #[serde(default)]
    pub(super) timeout: Option<Time>,
    #[serde(default)]
    pub(super) trip: Option<String>,
    #[serde(flatten)]
    pub(super) rest: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Targets {
    #[serde(default)]
    pub(super) apps: BTreeMap<String, TargetSpec>,
    #[serde(default)]
    pub(super) components: BTreeMap<String, Ways>,
    #[serde(default)]
    pub(super) actors: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Ways {
    #[serde(default)]
    pub(super) outbound: TargetSpec,
    #[serde(default)]
    pub(super) inbound: TargetSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TargetSpec {
    #[serde(default)]
    pub(super) timeout: String,
    #[serde(default)]
    pub(super) retry: String,
    #[serde(default)]
    pub(super) circuit_breaker: String,
    #[serde(default)]
    pub(super) circuit_breaker_cache_size: Option<usize>,
}
