//! From a component file to a store.

use std::path::Path;
use std::sync::Arc;

use pillion_capabilities::{KeyValue, Memory};

use super::{ComponentError, Manifest};
use crate::Flags;
use crate::state::{Backend, KeyPrefix, Store};

/// Opens the provider of a component.
pub(super) async fn store(manifest: &Manifest, file: &Path, flags: &Flags) -> Result<Store, ComponentError> {
    let wrong = |message: String| ComponentError::Setting {
        file: file.to_owned(),
        name: manifest.name.clone(),
        message,
    };
    let prefix = KeyPrefix::parse(manifest.setting("keyPrefix").unwrap_or_default()).map_err(wrong)?;
    let (backend, provider): (Backend, Arc<dyn KeyValue>) = match manifest.kind.as_str() {
        "state.in-memory" => (Backend::Memory, Arc::new(Memory::new())),
        _ => {
            return Err(ComponentError::UnknownType {
                file: file.to_owned(),
                name: manifest.name.clone(),
                kind: manifest.kind.clone(),
            });
        }
    };
    let mut store =
        Store::new(&manifest.name, backend, provider, &prefix, &flags.app_id, flags.namespace.as_deref());
    store.version.clone_from(&manifest.version);
    Ok(store)
}
