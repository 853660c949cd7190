//! From a component file to what it defines: one file per building block.

mod pubsub;
mod redis;
mod state;

use std::path::Path;

use pillion_capabilities::trace::Tracing;

use super::{ComponentError, Components, Manifest};
use crate::Flags;

/// Opens a component and adds it to the others.
pub(super) async fn component(
    manifest: &Manifest,
    file: &Path,
    flags: &Flags,
    tracing: Option<&Tracing>,
    components: &mut Components,
) -> Result<(), ComponentError> {
    match manifest.building_block() {
        Some("state") => {
            let store = state::store(manifest, file, flags, tracing).await?;
            components.listed.push(store.listed());
            components.state.add(store);
        }
        Some("pubsub") => {
            let pubsub = pubsub::pubsub(manifest, file, flags, tracing).await?;
            components.listed.push(pubsub.listed());
            components.pubsub.add(&manifest.name, pubsub.into());
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
