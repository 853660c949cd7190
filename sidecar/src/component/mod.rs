//! Components: the files that say what stands behind the API.

mod error;
mod manifest;
mod open;
mod registry;

use std::path::{Path, PathBuf};

pub use error::ComponentError;
pub use manifest::{Manifest, read};
pub use registry::Components;
pub(crate) use registry::{Listed, Named};

use pillion_capabilities::trace::Tracing;

use crate::{Flags, pubsub};

/// Opens every component that the files under `--resources-path` define for this app.
///
/// # Errors
/// A file that cannot be read, a component that cannot be used, or a name that is taken.
pub async fn open(flags: &Flags, tracing: Option<&Tracing>) -> Result<Components, ComponentError> {
    let mut components = Components::of_stores(&flags.app_id, Vec::new());
    for (file, manifest) in &find(flags)? {
        match open::component(manifest, file, flags, tracing, &mut components).await {
            Ok(()) => {}
            Err(error) if manifest.ignore_errors => {
                tracing::error!("going on without a component, as its ignoreErrors says: {error}");
            }
            Err(error) => return Err(error),
        }
    }
    for folder in &flags.resources_path {
        for file in &files(folder)? {
            let declared = pubsub::declared(file, &flags.app_id, !flags.app_protocol.is_grpc())?;
            components.subscriptions.extend(declared);
        }
    }
    Ok(components)
}

/// The components for this app, and their files, in the order of the files' names.
fn find(flags: &Flags) -> Result<Vec<(PathBuf, Manifest)>, ComponentError> {
    let mut found: Vec<(PathBuf, Manifest)> = Vec::new();
    for folder in &flags.resources_path {
        for file in files(folder)? {
            for manifest in read(&file)? {
                if !manifest.is_for(&flags.app_id) {
                    tracing::debug!("component {} of {} is not for this app", manifest.name, file.display());
                    continue;
                }
                if let Some((first, _)) = found.iter().find(|(_, known)| known.name == manifest.name) {
                    return Err(ComponentError::Duplicate {
                        name: manifest.name,
                        first: first.clone(),
                        second: file,
                    });
                }
                found.push((file.clone(), manifest));
            }
        }
    }
    Ok(found)
}

/// The YAML files of a folder, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ComponentError> {
    let failed = |source| ComponentError::Read { file: folder.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
