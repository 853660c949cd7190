//! The part of a manifest that is about traces.

use std::time::Duration;

use pillion_capabilities::trace::{Export, Options, Protocol, SamplingRate, Tracing};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::error::Cause;
use super::positive;
use super::start::Purpose;

/// Where spans of requests, messages and calls are exported to, by OTLP.
///
/// What a collector wants beside that, as a key, is said by OpenTelemetry's own environment variables, as
/// `OTEL_EXPORTER_OTLP_HEADERS`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TracingManifest {
    /// The collector's URL, as `http://127.0.0.1:4318`. Over HTTP, `/v1/traces` is added unless it is there.
    pub endpoint: String,
    /// How the collector is spoken to.
    #[serde(default)]
    pub protocol: ProtocolManifest,
    /// The share of traces that begin here and are sampled, from 0 to 1. What began elsewhere is as was decided there.
    #[serde(default = "all")]
    #[schemars(schema_with = "rate_schema")]
    pub sampling_rate: SamplingRate,
    /// What this host is called in traces.
    #[serde(default = "service")]
    pub service: String,
    /// How long the export of one batch may take, in milliseconds.
    #[serde(default, deserialize_with = "positive::positive")]
    #[schemars(schema_with = "positive::schema")]
    pub timeout_ms: Option<u64>,
}

/// How a collector is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum ProtocolManifest {
    /// OTLP over HTTP.
    #[default]
    #[serde(rename = "http/protobuf")]
    Http,
    /// OTLP over gRPC.
    #[serde(rename = "grpc")]
    Grpc,
}

// === impl TracingManifest ===

impl TracingManifest {
    /// A check starts nothing.
    pub(super) fn start(&self, purpose: Purpose) -> Result<Option<Tracing>, Cause> {
        let protocol = match self.protocol {
            ProtocolManifest::Http => Protocol::Http,
            ProtocolManifest::Grpc => Protocol::Grpc,
        };
        let mut export = Export::new(&self.endpoint, protocol);
        export.timeout = self.timeout_ms.map_or(export.timeout, Duration::from_millis);
        let (service, sampling_rate) = (self.service.clone(), self.sampling_rate);
        let options = Options { service, sampling_rate, export: Some(export) };
        match purpose {
            Purpose::Run => Ok(Some(Tracing::start(&options)?)),
            Purpose::Check => Ok(options.check().map(|()| None)?),
        }
    }
}

fn all() -> SamplingRate {
    SamplingRate::ALL
}

fn service() -> String {
    "pillion-host".to_owned()
}

fn rate_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string"},
        ]
    })
}
