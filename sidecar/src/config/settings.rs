//! What the files come to for the blocks of the API.

use super::api::Offered;
use super::secrets::Scopes;
use super::{Config, ConfigError, MetricOptions, Said, features};
use crate::Flags;
use crate::http::Cors;

/// What a Configuration says of blocks, checked.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Which secrets the app may read.
    pub(crate) secret_scopes: Scopes,
    /// Whether changes of the components' files are looked for: the feature `HotReload`.
    pub(crate) hot_reload: bool,
    /// Which parts of the API are offered, if not all are.
    pub(crate) offered: Option<Offered>,
    /// The origins whose pages may call the sidecar, if any may: the flag `--allowed-origins`.
    pub(crate) cors: Option<Cors>,
    /// What is counted.
    pub(crate) metrics: MetricOptions,
    /// The namespace, for metrics: the variable `NAMESPACE`.
    pub(crate) namespace: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            secret_scopes: Scopes::default(),
            hot_reload: true,
            offered: None,
            cors: None,
            metrics: MetricOptions::default(),
            namespace: String::new(),
        }
    }
}

// === impl Settings ===

impl Settings {
    /// Checks what the files say.
    ///
    /// # Errors
    /// What cannot be meant.
    pub(crate) fn new(flags: &Flags, config: &Config) -> Result<Self, ConfigError> {
        let mut settings = Self { cors: Cors::parse(&flags.allowed_origins), ..Self::default() };
        settings.namespace = flags.namespace.clone().unwrap_or_default();
        if let Some(Said { file, value }) = &config.metric {
            settings.metrics = value.options(file)?;
        }
        settings.metrics.enabled &= flags.enable_metrics;
        if let Some(Said { file, value }) = &config.api {
            settings.offered = value.offered(file)?;
        }
        if let Some(Said { file, value }) = config.secrets.clone() {
            settings.secret_scopes = value.scopes(&file)?;
        }
        if let Some(Said { value, .. }) = &config.features {
            settings.hot_reload = features::is_enabled(value, features::HOT_RELOAD, true);
        }
        Ok(settings)
    }
}
