//! What tracing is told.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Unexpected, Visitor};

use super::export::endpoint;
use crate::Error;

/// What tracing is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What this process is called in traces: OpenTelemetry's `service.name`.
    pub service: String,
    /// How many of the traces that begin here are sampled. Those that began elsewhere are as was decided there.
    pub sampling_rate: SamplingRate,
    /// Where spans are exported to; `None` only passes on their contexts.
    pub export: Option<Export>,
}

/// Where spans are exported to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The collector's URL, as `http://127.0.0.1:4318`. Over HTTP, `/v1/traces` is added unless it is there.
    pub endpoint: String,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// How long the export of one batch may take.
    pub timeout: Duration,
}

/// How a collector is spoken to: OTLP in protobuf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Over HTTP/1.1 or 2; port 4318 by custom.
    #[default]
    Http,
    /// Over gRPC; port 4317 by custom.
    Grpc,
}

/// A share of traces, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingRate(f64);

/// How long the export of one batch may take if nobody says otherwise: OpenTelemetry's default.
const TIMEOUT: Duration = Duration::from_secs(10);

// === impl Options ===

impl Options {
    /// Checks them without starting anything.
    ///
    /// # Errors
    /// When the endpoint is none.
    pub fn check(&self) -> Result<(), Error> {
        self.export.as_ref().map_or(Ok(()), |export| endpoint(export).map(drop))
    }
}

// === impl Export ===

impl Export {
    /// To that endpoint, with ten seconds for each batch.
    #[must_use]
    pub fn new(endpoint: impl Into<String>, protocol: Protocol) -> Self {
        Self { endpoint: endpoint.into(), protocol, timeout: TIMEOUT }
    }
}

// === impl Protocol ===

impl FromStr for Protocol {
    type Err = Error;

    /// By OpenTelemetry's names, and Dapr's.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "http" | "http/protobuf" => Ok(Self::Http),
            "grpc" => Ok(Self::Grpc),
            other => {
                Err(Error::InvalidArgument(format!("protocol {other:?} is neither grpc nor http/protobuf")))
            }
        }
    }
}

// === impl SamplingRate ===

impl SamplingRate {
    /// All of them.
    pub const ALL: Self = Self(1.0);
    /// None that begin here.
    pub const NONE: Self = Self(0.0);

    /// The share.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

// It is never NaN.
impl Eq for SamplingRate {}

impl TryFrom<f64> for SamplingRate {
    type Error = Error;

    fn try_from(rate: f64) -> Result<Self, Error> {
        if (0.0..=1.0).contains(&rate) {
            return Ok(Self(rate));
        }
        Err(Error::InvalidArgument(format!("samplingRate {rate} is not from 0 to 1; 1 samples every trace")))
    }
}

impl FromStr for SamplingRate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let none =
            |_| Error::InvalidArgument(format!("samplingRate {text:?} is no number; write one from 0 to 1"));
        text.parse::<f64>().map_err(none)?.try_into()
    }
}

impl<'de> Deserialize<'de> for SamplingRate {
    /// A number, or a text that is one, as Dapr has it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rate;
        impl Visitor<'_> for Rate {
            type Value = SamplingRate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0 to 1")
            }

            fn visit_f64<E: serde::de::Error>(self, rate: f64) -> Result<SamplingRate, E> {
                rate.try_into().map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, rate: u64) -> Result<SamplingRate, E> {
                let rate =
                    u32::try_from(rate).map_err(|_| E::invalid_value(Unexpected::Unsigned(rate), &self))?;
                f64::from(rate).try_into().map_err(E::custom)
            }

            fn visit_i64<E: serde::de::Error>(self, rate: i64) -> Result<SamplingRate, E> {
                let rate =
                    u64::try_from(rate).map_err(|_| E::invalid_value(Unexpected::Signed(rate), &self))?;
                self.visit_u64(rate)
            }

            fn visit_str<E: serde::de::Error>(self, rate: &str) -> Result<SamplingRate, E> {
                rate.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Rate)
    }
}
