//! `spec.features`: what is on trial.

use std::path::Path;

use serde::Deserialize;

/// A feature, and whether it is wanted.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Feature {
    name: String,
    #[serde(default)]
    enabled: bool,
}

/// Whether changes of the components' files are looked for.
pub(super) const HOT_RELOAD: &str = "HotReload";

// === impl Feature ===

impl Feature {
    pub(super) fn warn(&self, file: &Path) {
        if self.name != HOT_RELOAD {
            let (file, name) = (file.display(), &self.name);
            tracing::warn!("{file}: spec.features: {name} has no effect");
        }
    }
}

/// Whether a feature is wanted, or else what is the case without a word of it.
pub(super) fn is_enabled(features: &[Feature], name: &str, default: bool) -> bool {
    features.iter().rfind(|feature| feature.name == name).map_or(default, |feature| feature.enabled)
}
