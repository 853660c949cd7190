//! A host as a file: which modules, which providers, and who may reach what.

mod changes;
mod check;
mod error;
mod expand;
mod plan;
mod policies;
mod positive;
mod providers;
mod reload;
mod start;
mod tracing;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::engine::Compiler;
use crate::host::HealthRequest;
use crate::policy::SignatureAlgorithm;
use crate::{HealthCheck, Probation};
pub use changes::Changes;
pub use error::StartError;
use expand::Expanding;
pub use start::Running;
pub use tracing::{ProtocolManifest, TracingManifest};
pub use watch::Watch;

/// A host as a file in YAML or JSON.
///
/// `${NAME}` in a scalar stands for an environment variable, `${NAME:DEFAULT}` for one that may be missing, and `$${` for
/// `${` itself; within braces and brackets, YAML wants such a scalar quoted. Where a number is wanted, a variable may stand
/// for it. Paths are seen from the manifest's folder.
///
/// ```yaml
/// trustedIssuers: [ACOJJN6WUP4ODD75XEBKKTCCUJJCY5ZKQ56XVKYK4BEJWGVAOOQHZMCW]
/// providers:
///   - {name: store, kind: redis, url: "redis://${REDIS:127.0.0.1:6379}"}
/// actors:
///   - module: counter.signed.wasm
///     bindings: [{provider: store}]
///     http: {listen: "127.0.0.1:8080"}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Manifest {
    /// What tells this host from others.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The public keys of the accounts (`A…`) whose modules are loaded.
    #[serde(default)]
    pub trusted_issuers: Vec<String>,
    /// The public keys of the operators (`O…`) whose word about accounts is taken.
    #[serde(default)]
    pub trusted_operators: Vec<String>,
    /// Files with the tokens of operators and accounts that chains of trust are built of.
    #[serde(default)]
    pub tokens: Vec<PathBuf>,
    /// Open Policy Agent's policies: files, folders and bundles.
    #[serde(default)]
    pub policies: Vec<PathBuf>,
    /// The keys by which bundles of policies are signed; if there are any, all policies have to be in signed bundles.
    #[serde(default)]
    pub policy_keys: Vec<PolicyKeyManifest>,
    /// What makes modules run: `cranelift`, `winch` (compiles faster, runs slower) or `pulley` (interprets).
    #[serde(default)]
    pub compiler: Compiler,
    /// A folder for compiled modules, of this user alone.
    #[serde(default)]
    pub cache: Option<PathBuf>,
    /// Whether calls that actors make are signed for.
    #[serde(default)]
    pub anti_forgery: AntiForgeryManifest,
    /// Where metrics and health are served.
    #[serde(default)]
    pub metrics: Option<MetricsManifest>,
    /// Where spans are exported to. Without it there are none; requests are passed on with the traces that they are of.
    #[serde(default)]
    pub tracing: Option<TracingManifest>,
    /// The providers.
    #[serde(default)]
    pub providers: Vec<ProviderManifest>,
    /// The actors.
    #[serde(default)]
    pub actors: Vec<ActorManifest>,
}

/// A key by which bundles of policies are signed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PolicyKeyManifest {
    /// What signatures call it (`kid`).
    pub id: String,
    /// What it is for; `RS256` when left out.
    #[serde(default)]
    pub algorithm: SignatureAlgorithm,
    /// The file with the public key in PEM, or with the bytes of the secret that `HS256` and its kin share.
    pub file: PathBuf,
    /// The scope that signatures have to be for; none when left out.
    #[serde(default)]
    pub scope: String,
}

/// Whether calls that actors make are signed for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AntiForgeryManifest {
    /// Calls have no tokens.
    #[default]
    Off,
    /// Each call gets a token.
    Mint,
    /// Each call gets a token, and is made only if that is verified.
    MintAndVerify,
}

/// Where metrics (`/metrics`) and health (`/healthz`, `/readyz`) are served.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MetricsManifest {
    /// Address and port, as `127.0.0.1:9090`; port 0 takes any.
    pub listen: String,
}

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ProviderManifest {
    /// The name by which bindings refer to it.
    pub name: String,
    /// What it is.
    pub kind: ProviderKind,
    /// The server's URL, for those that have one.
    #[serde(default)]
    pub url: Option<String>,
    /// The file or folder, for those that have one.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// The hosts that an `http-client` may reach: `example.com`, `*.example.com` or an address, each with or without
    /// `:PORT`.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Whether an `http-client` may reach addresses that are not public, as those of this machine and its network.
    #[serde(default)]
    pub allow_private: bool,
    /// What the names of the environment variables begin with that are `secrets-environment`; the secrets go by what
    /// follows.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// The kinds of providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ProviderKind {
    /// Keys and values in memory.
    Memory,
    /// Keys and values in Redis; needs `url`.
    Redis,
    /// Keys and values in a file; needs `path`.
    Redb,
    /// Messages in memory.
    MemoryBus,
    /// Messages over NATS; needs `url`.
    Nats,
    /// Messages over NATS JetStream, whose streams are made where they are missing; needs `url`.
    Jetstream,
    /// Messages in Redis streams; needs `url`.
    RedisStreams,
    /// Identifiers, random numbers and a sequence.
    Extras,
    /// Lines in this process's log.
    Log,
    /// Requests over HTTP, to the hosts that `allow` names.
    HttpClient,
    /// Events in memory.
    MemoryEvents,
    /// Events in Redis; needs `url`.
    RedisEvents,
    /// Objects in memory.
    MemoryBlobs,
    /// Objects in a folder; needs `path`.
    Files,
    /// Secrets in environment variables; needs `prefix`.
    SecretsEnvironment,
    /// Secrets in a JSON file; needs `path`. A nested value goes by its keys with a colon between.
    SecretsFile,
    /// Configuration in a YAML or JSON file, which is watched; needs `path`.
    ConfigurationFile,
    /// Configuration in Redis, which is looked at each second; needs `url`.
    ConfigurationRedis,
}

/// An actor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ActorManifest {
    /// The signed module.
    pub module: PathBuf,
    /// What it may use.
    #[serde(default)]
    pub limits: LimitsManifest,
    /// What it is bound to.
    #[serde(default)]
    pub bindings: Vec<BindingManifest>,
    /// The topics that it is subscribed to.
    #[serde(default)]
    pub subscriptions: Vec<SubscriptionManifest>,
    /// The streams of events that it is subscribed to.
    #[serde(default)]
    pub events: Vec<EventsManifest>,
    /// The actors that it may call, by public key or call alias, as far as its claims grant it.
    #[serde(default)]
    pub calls: Vec<String>,
    /// Where it serves HTTP.
    #[serde(default)]
    pub http: Option<HttpManifest>,
    /// How a newer revision of its module has to show that it is well when a running host is given one; without it, it
    /// need not.
    #[serde(default)]
    pub health: Option<HealthManifest>,
}

/// How a newer revision has to show that it is well: by an answer before it takes its predecessor's place, and, if it is
/// on probation, once it runs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HealthManifest {
    /// The operation that it has to answer without an error; it is given no payload.
    #[serde(default = "health_request")]
    pub operation: String,
    /// How long it may take to answer, in milliseconds.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub patience_ms: Option<u64>,
    /// How it has to prove itself once it runs; if it does not, its predecessor comes back.
    #[serde(default)]
    pub probation: Option<ProbationManifest>,
}

/// How a new revision has to prove itself once it runs. With neither `calls` nor `asks`, by 100 calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ProbationManifest {
    /// After so many calls it is confirmed.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub calls: Option<u32>,
    /// So many of its calls may fail, as by a trap; none when left out.
    #[serde(default)]
    #[schemars(schema_with = "positive::count_schema")]
    pub failures: u32,
    /// After so many answered health requests it is confirmed.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub asks: Option<u32>,
    /// The time between two health requests, in milliseconds; 1,000 when left out.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub pause_ms: Option<u64>,
}

/// What an actor may use; what is left out is as the host's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LimitsManifest {
    /// The bytes of memory of one instance.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub memory: Option<usize>,
    /// The elements of one table of an instance.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub table_elements: Option<usize>,
    /// How long one call may run, in milliseconds.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub deadline_ms: Option<u64>,
    /// How long one call may take in all, waiting included, in milliseconds.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub patience_ms: Option<u64>,
    /// How many instructions, about, one call may run; without it, they are not counted.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub fuel: Option<u64>,
    /// How many instances there may be.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub instances: Option<usize>,
    /// How many calls may be under way at a time, if that is less.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub concurrency: Option<usize>,
    /// How many calls may wait until another one ends; without it, none does.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub queue: Option<usize>,
}

/// A binding.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct BindingManifest {
    /// Its name.
    #[serde(default = "default_binding")]
    pub name: String,
    /// The provider's name.
    pub provider: String,
    /// What the provider is told of this binding, by name. Stores, event streams and configurations know `prefix`, which
    /// gives the binding a part of its own; secrets know `allow`, the names of those that it may read, of which there are
    /// none without it; logs know `level`.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SubscriptionManifest {
    /// The binding's name.
    #[serde(default = "default_binding")]
    pub binding: String,
    /// The topic.
    pub topic: String,
    /// The queue group.
    #[serde(default)]
    pub group: Option<String>,
    /// How often a message is delivered before it is dead.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub max_deliveries: Option<u32>,
    /// The topic for dead messages.
    #[serde(default)]
    pub dead_letter: Option<String>,
}

/// A subscription to a stream of events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EventsManifest {
    /// The binding's name.
    #[serde(default = "default_binding")]
    pub binding: String,
    /// The stream.
    pub stream: String,
    /// The group whose members share the events.
    #[serde(default)]
    pub group: Option<String>,
    /// Where a new group begins.
    #[serde(default)]
    pub start: StartManifest,
    /// How often an event is delivered before it is given up.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub max_deliveries: Option<u32>,
    /// How many events the actor may have at a time; with 1 they come one after the other.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub concurrency: Option<usize>,
}

/// Where a new group of a stream's readers begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StartManifest {
    /// Behind what is in the stream already.
    #[default]
    New,
    /// At the eldest event that the stream still has.
    Eldest,
}

/// Where an actor serves HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HttpManifest {
    /// Address and port, as `127.0.0.1:8080`; port 0 takes any.
    pub listen: String,
    /// The bytes of a request's body.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub body: Option<usize>,
    /// The bytes of all bodies that are held at a time.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub bodies: Option<usize>,
    /// How many connections there may be.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub connections: Option<usize>,
}

/// Why a manifest is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The text is no manifest, or a variable in it is missing or written wrongly. The error names key, line and column.
    #[error("{0}")]
    Syntax(String),
}

// === impl Manifest ===

impl Manifest {
    /// Reads a manifest; `variable` answers the value of an environment variable.
    ///
    /// # Errors
    /// When a variable is missing, or the text is no manifest.
    pub fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ManifestError> {
        // YAML is a superset of JSON.
        let parser = Expanding::new(serde_norway::Deserializer::from_str(text), &variable);
        Self::deserialize(parser).map_err(|error| ManifestError::Syntax(error.to_string()))
    }

    /// The JSON schema of manifests, for editors.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}

// === impl HealthManifest ===

impl HealthManifest {
    fn request(&self) -> HealthRequest {
        let patience = self.patience_ms.map_or(HealthCheck::default().patience, Duration::from_millis);
        HealthRequest { operation: self.operation.clone(), payload: Vec::new(), patience }
    }
}

// === impl ProbationManifest ===

impl From<ProbationManifest> for Probation {
    fn from(manifest: ProbationManifest) -> Self {
        let ProbationManifest { calls, failures, asks, pause_ms } = manifest;
        let defaults = Self::default();
        let mut probation = Self { failures, ..defaults };
        probation.calls = calls.unwrap_or(if asks.is_some() { 0 } else { defaults.calls });
        probation.asks = asks.unwrap_or(defaults.asks);
        probation.pause = pause_ms.map_or(defaults.pause, Duration::from_millis);
        probation
    }
}

// === impl LimitsManifest ===

impl LimitsManifest {
    fn over(self, default: crate::Limits) -> crate::Limits {
        crate::Limits {
            memory: self.memory.unwrap_or(default.memory),
            table_elements: self.table_elements.unwrap_or(default.table_elements),
            deadline: self.deadline_ms.map_or(default.deadline, Duration::from_millis),
            patience: self.patience_ms.map_or(default.patience, Duration::from_millis),
            fuel: self.fuel.or(default.fuel),
            instances: self.instances.unwrap_or(default.instances),
            concurrency: self.concurrency.or(default.concurrency),
            queue: self.queue.unwrap_or(default.queue),
        }
    }
}

fn health_request() -> String {
    HealthCheck::default().operation.to_owned()
}

fn default_binding() -> String {
    "default".to_owned()
}
