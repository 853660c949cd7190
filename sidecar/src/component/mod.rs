//! Components: the files that say which stores there are.

mod error;
mod manifest;
mod open;

use std::path::{Path, PathBuf};

pub use error::ComponentError;
pub use manifest::{Manifest, read};

use crate::Flags;
use crate::state::Store;

/// Opens every store that the files under `--resources-path` define for this app.
///
/// # Errors
/// A file that cannot be read, a component that cannot be used, or a name that is taken.
pub async fn open(flags: &Flags) -> Result<Vec<Store>, ComponentError> {
    let mut stores: Vec<(PathBuf, Store)> = Vec::new();
    for folder in &flags.resources_path {
        for file in files(folder)? {
            for manifest in read(&file)? {
                if !manifest.is_for(&flags.app_id) {
                    tracing::debug!("component {} of {} is not for this app", manifest.name, file.display());
                    continue;
                }
                if let Some((first, _)) = stores.iter().find(|(_, store)| store.name == manifest.name) {
                    return Err(ComponentError::Duplicate {
                        name: manifest.name,
                        first: first.clone(),
                        second: file,
                    });
                }
                if let Some(block) = manifest.building_block().filter(|block| *block != "state") {
                    tracing::warn!(
                        "{}: passing over component {}: this sidecar has no {block} components",
                        file.display(),
                        manifest.name
                    );
                    continue;
                }
                let store = match open::store(&manifest, &file, flags).await {
                    Ok(store) => store,
                    Err(error) if manifest.ignore_errors => {
                        tracing::error!("going on without a component, as its ignoreErrors says: {error}");
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                tracing::info!("component {} ({}) is there", store.name, store.backend.component_type());
                stores.push((file.clone(), store));
            }
        }
    }
    Ok(stores.into_iter().map(|(_, store)| store).collect())
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
