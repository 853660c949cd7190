//! What there is to open a component by.

use std::path::Path;

use pillion_capabilities::Error;

use crate::Flags;
use crate::component::{ComponentError, Manifest};

/// A component that is to be opened.
pub(super) struct Opening<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) file: &'a Path,
    pub(super) flags: &'a Flags,
}

// === impl Opening ===

impl Opening<'_> {
    /// A setting that must be there.
    pub(super) fn required(&self, setting: &str, what: &str) -> Result<&str, ComponentError> {
        let value = self.manifest.setting(setting);
        value.ok_or_else(|| self.wrong(format!("setting {setting} is missing: {what}")))
    }

    /// Warns of settings that are none of these.
    pub(super) fn knows(&self, known: &[&str]) {
        self.manifest.warn_of_others(self.file, &[known]);
    }

    /// A setting is wrong.
    pub(super) fn wrong(&self, message: String) -> ComponentError {
        ComponentError::Setting { file: self.file.to_owned(), name: self.manifest.name.clone(), message }
    }

    /// The provider cannot be opened.
    pub(super) fn failed(&self, source: Error) -> ComponentError {
        ComponentError::Open { file: self.file.to_owned(), name: self.manifest.name.clone(), source }
    }

    /// No provider is known for the type.
    pub(super) fn unknown(&self) -> ComponentError {
        ComponentError::UnknownType {
            file: self.file.to_owned(),
            name: self.manifest.name.clone(),
            kind: self.manifest.kind.clone(),
        }
    }
}
