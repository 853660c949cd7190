//! The documents of resource files, by what their heads say.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::ComponentError;
use super::files::files;
use crate::Flags;

/// Components; each file is read for them once.
pub(super) const COMPONENT: &str = "Component";
/// Every kind that is read.
const KINDS: [&str; 4] = [COMPONENT, "Subscription", "Resiliency", "HTTPEndpoint"];

/// A resource for this app.
#[derive(Debug)]
pub(crate) struct Resource<T> {
    pub(crate) file: PathBuf,
    pub(crate) name: String,
    pub(crate) spec: T,
}

/// The part of a document that tells what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default, deserialize_with = "or_default")]
    api_version: String,
    #[serde(default, deserialize_with = "or_default")]
    kind: String,
}

#[derive(Deserialize)]
struct Document<T> {
    #[serde(default, deserialize_with = "or_default")]
    metadata: Metadata,
    spec: T,
    #[serde(default, deserialize_with = "or_default")]
    scopes: Vec<String>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
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
            found.extend(resources_of(&file, kind, &[], &flags.app_id)?);
        }
    }
    Ok(found)
}

/// The resources of a kind, in one of these versions, that a file has for an app.
///
/// # Errors
/// As [`documents`].
pub(crate) fn resources_of<T: DeserializeOwned>(
    file: &Path,
    kind: &str,
    versions: &[&str],
    app_id: &str,
) -> Result<Vec<Resource<T>>, ComponentError> {
    let (text, mut found) = (text(file)?, Vec::new());
    // Most files have none.
    if !text.contains(kind) {
        return Ok(found);
    }
    for document in documents(&text, file, kind, versions)? {
        let Document { metadata: Metadata { name }, spec, scopes } = document;
        if scopes.is_empty() || scopes.iter().any(|scope| scope == app_id) {
            found.push(Resource { file: file.to_owned(), name, spec });
        } else {
            tracing::debug!("{kind} {name} of {} is not for this app", file.display());
        }
    }
    Ok(found)
}

/// The documents of a kind in a file's text, in one of these versions, or in any if none is named.
///
/// # Errors
/// What is not YAML, a document of another version, or one that is not complete.
pub(super) fn documents<T: DeserializeOwned>(
    text: &str,
    file: &Path,
    kind: &str,
    versions: &[&str],
) -> Result<Vec<T>, ComponentError> {
    let syntax = |error: serde_norway::Error| ComponentError::Syntax {
        file: file.to_owned(),
        line: error.location().map(|location| location.line()),
        message: error.to_string(),
    };
    let mut found = Vec::new();
    // Each is read twice: to see what it is, and as that, so that errors have lines.
    let all = serde_norway::Deserializer::from_str(text).zip(serde_norway::Deserializer::from_str(text));
    for (look, document) in all {
        // One that is empty is none.
        let Some(head) = Option::<Head>::deserialize(look).map_err(syntax)? else { continue };
        if head.kind != kind {
            if kind == COMPONENT && !KINDS.contains(&head.kind.as_str()) {
                tracing::warn!("{}: passing over a document of kind {:?}", file.display(), head.kind);
            }
            continue;
        }
        if !versions.is_empty() && !versions.contains(&head.api_version.as_str()) {
            let (said, wanted) = (head.api_version, versions.join(" or "));
            return Err(ComponentError::Syntax {
                file: file.to_owned(),
                line: None,
                message: format!("apiVersion is {said:?}, and that of a {kind} is {wanted}"),
            });
        }
        found.push(T::deserialize(document).map_err(syntax)?);
    }
    Ok(found)
}

/// The text of a file.
///
/// # Errors
/// A file that cannot be read.
pub(super) fn text(file: &Path) -> Result<String, ComponentError> {
    read_text(file).map_err(|source| ComponentError::Read { file: file.to_owned(), source })
}

/// The text of a file without the mark of UTF-8 with which some editors begin it, and which is none of it.
///
/// # Errors
/// A file that cannot be read, or is not UTF-8.
pub(crate) fn read_text(file: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(file)?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// A field of which `null`, as in Go, is as good as none.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
