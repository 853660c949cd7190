//! `spec.metrics`, which may be called `spec.metric`: what is counted.

use std::path::Path;

use serde::Deserialize;

use super::{ConfigError, Rest, without_effect};
use crate::metrics::Bounds;

/// `spec.metrics`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metric {
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    record_error_codes: Option<bool>,
    #[serde(default)]
    latency_distribution_buckets: Option<Vec<u64>>,
    #[serde(default)]
    http: Option<Http>,
    #[serde(flatten)]
    rest: Rest,
}

/// `spec.metrics.http`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    #[serde(default)]
    increased_cardinality: Option<bool>,
    #[serde(flatten)]
    rest: Rest,
}

/// What is counted, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MetricOptions {
    /// Whether anything is.
    pub(crate) enabled: bool,
    /// Whether failures are counted by their codes.
    pub(crate) error_codes: bool,
    /// The bounds of times, if they are not Dapr's own.
    pub(crate) latency: Option<Bounds>,
}

// === impl Metric ===

impl Metric {
    pub(super) fn warn(&self, file: &Path) {
        without_effect(file, "spec.metrics", &self.rest);
        if let Some(http) = &self.http {
            without_effect(file, "spec.metrics.http", &http.rest);
            if http.increased_cardinality == Some(true) {
                ::tracing::warn!(
                    "{}: spec.metrics.http.increasedCardinality has no effect: labels of metrics are always bounded",
                    file.display()
                );
            }
        }
    }

    pub(super) fn options(&self, file: &Path) -> Result<MetricOptions, ConfigError> {
        let latency = self.latency_distribution_buckets.as_deref().map(|bounds| {
            Bounds::of_milliseconds(bounds).ok_or_else(|| ConfigError::Syntax {
                file: file.to_owned(),
                message: "spec.metrics.latencyDistributionBuckets are 1 to 39 numbers of milliseconds, ascending from 1"
                    .to_owned(),
            })
        });
        Ok(MetricOptions {
            enabled: self.enabled.unwrap_or(true),
            error_codes: self.record_error_codes.unwrap_or(false),
            latency: latency.transpose()?,
        })
    }
}

// === impl MetricOptions ===

impl Default for MetricOptions {
    fn default() -> Self {
        Self { enabled: true, error_codes: false, latency: None }
    }
}
