//! From a component file to what it defines: one file per building block.

mod bindings;
mod configuration;
mod databases;
mod lock;
mod middleware;
mod opening;
mod pubsub;
mod redis;
mod secrets;
mod state;

use std::path::Path;
use std::sync::Arc;

use pillion_capabilities::trace::Tracing;

use super::{ComponentError, Components, Manifest};
use crate::Flags;
use crate::component::Listed;
use crate::configuration::ConfigurationStore;
pub(super) use databases::Databases;
use opening::Opening;

/// Opens a component and adds it to the others.
pub(super) async fn component(
    manifest: &Manifest,
    file: &Path,
    flags: &Flags,
    tracing: Option<&Tracing>,
    databases: &Databases,
    components: &mut Components,
) -> Result<(), ComponentError> {
    let opening = Opening { manifest, file, flags };
    match manifest.building_block() {
        Some("state") => {
            let store = state::store(manifest, file, flags, tracing, databases).await?;
            components.listed.push(store.listed());
            components.state.add(store);
        }
        Some("pubsub") => {
            let pubsub = pubsub::pubsub(manifest, file, flags, tracing).await?;
            components.listed.push(pubsub.listed());
            components.pubsub.add(&manifest.name, pubsub.into());
        }
        Some("secretstores") => {
            components.secrets.add(&manifest.name, Arc::new(secrets::store(&opening)?));
            components.listed.push(Listed::of(manifest, &[]));
        }
        Some("configuration") => {
            let provider = configuration::store(&opening).await?;
            components.configuration.add(&manifest.name, Arc::new(ConfigurationStore::new(provider)));
            components.listed.push(Listed::of(manifest, &[]));
        }
        Some("lock") => {
            components.locks.add(&manifest.name, Arc::new(lock::store(&opening).await?));
            components.listed.push(Listed::of(manifest, &[]));
        }
        Some("middleware") => {
            components.middleware.add(&manifest.name, Arc::new(middleware::middleware(&opening)?));
            components.listed.push(Listed::of(manifest, &[]));
        }
        Some("bindings") => {
            let capabilities = bindings::binding(&opening, components)?;
            components.listed.push(Listed::of(manifest, capabilities));
        }
        Some(block) => {
            tracing::warn!(
                "{}: passing over component {}: this sidecar has no {block} components",
                file.display(),
                manifest.name
            );
            return Ok(());
        }
        None => {
            return Err(ComponentError::UnknownType {
                file: file.to_owned(),
                name: manifest.name.clone(),
                kind: manifest.kind.clone(),
            });
        }
    }
    tracing::info!("component {} ({}) is there", manifest.name, manifest.kind);
    Ok(())
}
