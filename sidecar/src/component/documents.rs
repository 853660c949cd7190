//! Resources beside components, by their kind.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ComponentError;
use super::files::files;
use crate::Flags;

/// Kinds that are read on their own, where they are needed.
pub(super) const KINDS: [&str; 3] = ["Subscription", "Resiliency", "HTTPEndpoint"];

/// A resource for this app.
#[derive(Debug)]
pub(crate) struct Resource<T> {
    pub(crate) file: PathBuf,
    pub(crate) name: String,
    pub(crate) spec: T,
}

#[derive(Deserialize)]
struct Document<T> {
    #[serde(default)]
    metadata: Metadata,
    spec: T,
    #[serde(default)]
    scopes: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    name: String,
}

/// The part of a document that tells what it is.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    kind: String,
}

/// The resources of a kind that the files under `--resources-path` have for this app.
///
/// # Errors
/// A file that cannot be read, or a resource that is not as it should be.
pub(crate) fn resources<T: DeserializeOwned>(
    flags: &Flags,
    kind: &str,
) -> Result<Vec<Resource<T>>, ComponentError> {
    let mut found = Vec::new();
    for folder in &flags.resources_path {
        for file in files(folder)? {
            let text = std::fs::read_to_string(&file)
                .map_err(|source| ComponentError::Read { file: file.clone(), source })?;
            // Most files have none.
            if text.contains(kind) {
                of_file(&file, &text, kind, &flags.app_id, &mut found)?;
            }
        }
    }
    Ok(found)
}

fn of_file<T: DeserializeOwned>(
    file: &Path,
    text: &str,
    kind: &str,
    app_id: &str,
    found: &mut Vec<Resource<T>>,
) -> Result<(), ComponentError> {
    let syntax = |error: serde_norway::Error| ComponentError::Syntax {
        file: file.to_owned(),
        line: error.location().map(|location| location.line()),
        message: error.to_string(),
    };
    let documents =
        serde_norway::Deserializer::from_str(text).zip(serde_norway::Deserializer::from_str(text));
    for (look, document) in documents {
        let head = Option::<Head>::deserialize(look).map_err(syntax)?;
        if head.is_none_or(|head| head.kind != kind) {
            continue;
        }
        let Document { metadata, spec, scopes } = Document::deserialize(document).map_err(syntax)?;
        if scopes.is_empty() || scopes.iter().any(|scope| scope == app_id) {
            found.push(Resource { file: file.to_owned(), name: metadata.name, spec });
        }
    }
    Ok(())
}
