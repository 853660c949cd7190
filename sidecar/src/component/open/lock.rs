//! From a component file to a lock store.

use std::sync::Arc;

use pillion_capabilities::Lock;
use pillion_capabilities::lock::{Memory, Redis};

use super::{Opening, redis};
use crate::component::ComponentError;
use crate::lock::{LockStore, Prefix};

/// Opens the provider of a component.
pub(super) async fn store(opening: &Opening<'_>) -> Result<LockStore, ComponentError> {
    let manifest = opening.manifest;
    let prefix = Prefix::parse(manifest.setting("keyPrefix").unwrap_or_default());
    let prefix = prefix.map_err(|message| opening.wrong(message))?;
    let provider: Arc<dyn Lock> = match manifest.kind.as_str() {
        "lock.redis" => {
            manifest.warn_of_others(opening.file, &[redis::SETTINGS, &["keyPrefix"]]);
            let url = redis::url(manifest).map_err(|message| opening.wrong(message))?;
            Arc::new(Redis::connect(&url).await.map_err(|error| opening.failed(error))?)
        }
        "lock.in-memory" => {
            opening.knows(&["keyPrefix"]);
            Arc::new(Memory::new())
        }
        _ => return Err(opening.unknown()),
    };
    Ok(LockStore::new(provider, &prefix, &manifest.name, &opening.flags.app_id))
}
