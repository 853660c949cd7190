//! From a component file to a store.

use std::path::Path;
use std::sync::Arc;

use pillion_capabilities::trace::Tracing;
use pillion_capabilities::{KeyValue, Memory, Redis};

use super::{Databases, redis};
use crate::Flags;
use crate::component::{ComponentError, Manifest};
use crate::state::{Backend, KeyPrefix, Store};

/// Opens the provider of a component.
pub(super) async fn store(
    manifest: &Manifest,
    file: &Path,
    flags: &Flags,
    tracing: Option<&Tracing>,
    databases: &Databases,
) -> Result<Store, ComponentError> {
    let wrong = |message: String| ComponentError::Setting {
        file: file.to_owned(),
        name: manifest.name.clone(),
        message,
    };
    let failed = |source| ComponentError::Open { file: file.to_owned(), name: manifest.name.clone(), source };
    let prefix = KeyPrefix::parse(manifest.setting("keyPrefix").unwrap_or_default()).map_err(wrong)?;
    let (backend, known): (Backend, &[&str]) = match manifest.kind.as_str() {
        "state.in-memory" => (Backend::Memory, &[]),
        "state.redis" => (Backend::Redis, redis::SETTINGS),
        "state.redb" => (Backend::Redb, &["path"]),
        kind => {
            return Err(ComponentError::UnknownType {
                file: file.to_owned(),
                name: manifest.name.clone(),
                kind: kind.to_owned(),
            });
        }
    };
    manifest.warn_of_others(file, &[known, &["keyPrefix"]]);
    let provider: Arc<dyn KeyValue> = match backend {
        Backend::Memory => Arc::new(Memory::new()),
        Backend::Redis => {
            Arc::new(Redis::connect(&redis::url(manifest).map_err(wrong)?).await.map_err(failed)?)
        }
        Backend::Redb => {
            let path = manifest.setting("path");
            let path =
                path.ok_or_else(|| wrong("setting path is missing: the file to keep values in".to_owned()))?;
            databases.open(path).map_err(failed)?
        }
    };
    let mut store =
        Store::new(&manifest.name, backend, provider, &prefix, &flags.app_id, flags.namespace.as_deref());
    store.version.clone_from(&manifest.version);
    store.tracing = tracing.cloned();
    Ok(store)
}
