//! `spec.logging`: which requests are logged, and how.

use std::path::Path;

use serde::Deserialize;

use super::{Rest, without_effect};

/// `spec.logging`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Logging {
    #[serde(default)]
    api_logging: Option<ApiLogging>,
    #[serde(flatten)]
    rest: Rest,
}

/// `spec.logging.apiLogging`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiLogging {
    #[serde(default)]
    enabled: bool,
    #[serde(default, rename = "obfuscateURLs")]
    obfuscate_urls: bool,
    #[serde(default)]
    omit_health_checks: bool,
    #[serde(flatten)]
    rest: Rest,
}

/// Which requests are logged, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogOptions {
    /// Whether any are, by the flag or by the file.
    pub(crate) enabled: bool,
    /// Whether calls are named in place of their paths, which may have keys in them.
    pub(crate) obfuscated: bool,
    /// Whether questions for health are left out.
    pub(crate) without_health: bool,
}

// === impl Logging ===

impl Logging {
    pub(super) fn warn(&self, file: &Path) {
        without_effect(file, "spec.logging", &self.rest);
        if let Some(calls) = &self.api_logging {
            without_effect(file, "spec.logging.apiLogging", &calls.rest);
        }
    }

    pub(super) fn options(&self) -> LogOptions {
        let Some(calls) = &self.api_logging else { return LogOptions::default() };
        LogOptions {
            enabled: calls.enabled,
            obfuscated: calls.obfuscate_urls,
            without_health: calls.omit_health_checks,
        }
    }
}
