//! Dapr's `Configuration` files: what is said of the sidecar as a whole, as `--config` names them.

mod access_control;
mod api;
mod features;
mod logging;
mod metric;
mod name_resolution;
mod pipeline;
mod secrets;
mod settings;
mod tracing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pillion_capabilities::Error;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::invoke::AccessSpec;
pub(crate) use api::Offered;
pub(crate) use metric::MetricOptions;
pub(crate) use settings::Settings;

pub(crate) use name_resolution::invoker;
pub(crate) use pipeline::pipeline;
pub(crate) use tracing::options as tracing;

/// Why a configuration cannot be used. Every message names the file, or the variable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; name a file with --config", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not YAML, or not a configuration.
    #[error("{}: {message}", file.display())]
    Syntax {
        /// Which.
        file: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// What is said about other apps is wrong.
    #[error("{place}: {message}")]
    Wrong {
        /// A part of a file, or a flag.
        place: String,
        /// What is wrong, and the remedy.
        message: String,
    },
    /// What is said about traces is wrong.
    #[error("{place}: {source}")]
    Tracing {
        /// `spec.tracing` of a file, or a variable.
        place: String,
        /// What is wrong, and the remedy.
        source: Error,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    spec: Option<Spec>,
}

/// `spec`. Each field that has an effect has a file of its own in this folder.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    tracing: Option<tracing::Tracing>,
    #[serde(default)]
    secrets: Option<secrets::Secrets>,
    #[serde(default)]
    features: Option<Vec<features::Feature>>,
    #[serde(default)]
    name_resolution: Option<name_resolution::NameResolution>,
    #[serde(default)]
    access_control: Option<AccessSpec>,
    #[serde(default)]
    http_pipeline: Option<pipeline::PipelineSpec>,
    #[serde(default)]
    app_http_pipeline: Option<pipeline::PipelineSpec>,
    #[serde(default)]
    api: Option<api::Api>,
    #[serde(default)]
    logging: Option<logging::Logging>,
    #[serde(default)]
    metric: Option<metric::Metric>,
    #[serde(default)]
    metrics: Option<metric::Metric>,
    #[serde(flatten)]
    rest: Rest,
}

/// What the files of a sidecar say. As with Dapr, the last file that says something of a field counts.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `spec.tracing`
    pub(crate) tracing: Option<Said<tracing::Tracing>>,
    /// `spec.secrets`
    secrets: Option<Said<secrets::Secrets>>,
    /// `spec.features`
    features: Option<Said<Vec<features::Feature>>>,
    /// `spec.nameResolution`
    pub(crate) name_resolution: Option<Said<name_resolution::NameResolution>>,
    /// `spec.accessControl`
    pub(crate) access_control: Option<Said<AccessSpec>>,
    /// `spec.httpPipeline`
    pub(crate) http_pipeline: Option<Said<pipeline::PipelineSpec>>,
    /// `spec.appHttpPipeline`
    pub(crate) app_http_pipeline: Option<Said<pipeline::PipelineSpec>>,
    /// `spec.api`
    api: Option<Said<api::Api>>,
    /// `spec.metrics`, or `spec.metric`
    metric: Option<Said<metric::Metric>>,
    /// `spec.logging`
    logging: Option<Said<logging::Logging>>,
}

/// What a file says, and which file.
#[derive(Clone, Debug)]
pub(crate) struct Said<T> {
    pub(crate) file: PathBuf,
    pub(crate) value: T,
}

/// Fields that have no effect.
type Rest = BTreeMap<String, IgnoredAny>;

// === impl Config ===

impl Config {
    /// Reads the files, in their order.
    ///
    /// # Errors
    /// A file that cannot be read, or is no configuration.
    pub fn read(files: &[PathBuf]) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for file in files {
            config.read_file(file)?;
        }
        Ok(config)
    }

    fn read_file(&mut self, file: &Path) -> Result<(), ConfigError> {
        let read = crate::component::read_text(file);
        let text = read.map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        for document in serde_norway::Deserializer::from_str(&text) {
            let syntax = |message: String| ConfigError::Syntax { file: file.to_owned(), message };
            let document =
                Option::<Document>::deserialize(document).map_err(|error| syntax(error.to_string()))?;
            let Some(Document { kind, spec }) = document else { continue };
            if kind != "Configuration" {
                return Err(syntax(format!(
                    "this is a document of kind {kind:?}; --config takes a Configuration"
                )));
            }
            let Some(spec) = spec else { continue };
            without_effect(file, "spec", &spec.rest);
            if let Some(tracing) = &spec.tracing {
                tracing.warn(file);
            }
            said(&mut self.tracing, file, spec.tracing);
            if let Some(secrets) = &spec.secrets {
                secrets.warn(file);
            }
            said(&mut self.secrets, file, spec.secrets);
            spec.features.iter().flatten().for_each(|feature| feature.warn(file));
            said(&mut self.features, file, spec.features);
            said(&mut self.name_resolution, file, spec.name_resolution);
            said(&mut self.access_control, file, spec.access_control);
            said(&mut self.http_pipeline, file, spec.http_pipeline);
            said(&mut self.app_http_pipeline, file, spec.app_http_pipeline);
            if let Some(api) = &spec.api {
                api.warn(file);
            }
            said(&mut self.api, file, spec.api);
            if let Some(logging) = &spec.logging {
                logging.warn(file);
            }
            said(&mut self.logging, file, spec.logging);
            let metric = spec.metrics.or(spec.metric);
            if let Some(metric) = &metric {
                metric.warn(file);
            }
            said(&mut self.metric, file, metric);
        }
        Ok(())
    }
}

fn said<T>(place: &mut Option<Said<T>>, file: &Path, value: Option<T>) {
    if let Some(value) = value {
        *place = Some(Said { file: file.to_owned(), value });
    }
}

fn without_effect(file: &Path, place: &str, rest: &Rest) {
    for field in rest.keys() {
        ::tracing::warn!("{}: {place}.{field} has no effect", file.display());
    }
}
