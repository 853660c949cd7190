//! The component files of a sidecar.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{ComponentError, Manifest, read};
use crate::pubsub::Subscription;
use crate::{Flags, pubsub};

/// A file, and the components and subscriptions for this app that it defines.
pub(super) struct Read {
    pub(super) file: PathBuf,
    pub(super) manifests: Result<Vec<Manifest>, ComponentError>,
    pub(super) subscriptions: Result<Vec<Arc<Subscription>>, ComponentError>,
}

/// Reads all files, in the order of their names within each folder.
///
/// # Errors
/// A folder that cannot be read.
pub(super) fn find(flags: &Flags) -> Result<Vec<Read>, ComponentError> {
    let mut found = Vec::new();
    for folder in &flags.resources_path {
        for file in files(folder)? {
            let manifests = read(&file).map(|manifests| {
                let mine = manifests.into_iter().filter(|manifest| {
                    let mine = manifest.is_for(&flags.app_id);
                    if !mine {
                        let (name, file) = (&manifest.name, file.display());
                        tracing::debug!("component {name} of {file} is not for this app");
                    }
                    mine
                });
                mine.collect()
            });
            let by_path = !flags.app_protocol.is_grpc();
            // A file that cannot be read is told of once.
            let subscriptions = match &manifests {
                Ok(_) => pubsub::declared(&file, &flags.app_id, by_path),
                Err(_) => Ok(Vec::new()),
            };
            found.push(Read { file, manifests, subscriptions });
        }
    }
    Ok(found)
}

/// The YAML files of a folder, by name.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, ComponentError> {
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
