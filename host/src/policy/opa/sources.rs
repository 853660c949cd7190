//! Policies and data from files, directories and bundles.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use tar::Archive;

use super::OpaError;

/// Policies and data, each with the name by which errors call it.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) policies: Vec<(String, String)>,
    /// JSON, already under the path where it is to be found.
    pub(super) data: Vec<(String, String)>,
}

/// A policy bundle is text; one that unpacks to more than this is an attack or a mistake.
const MOST_BYTES: u64 = 64 << 20;

/// Folders within folders; more is a loop of links.
const DEEPEST: usize = 32;

// === impl Sources ===

impl Sources {
    /// Reads a file by its extension, or a directory with all that it holds.
    pub(super) fn read(&mut self, path: &Path) -> Result<(), OpaError> {
        let name = path.to_string_lossy();
        if path.is_dir() {
            self.read_directory(path, path, 0)
        } else if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            self.read_bundle(path, BufReader::new(file))
        } else {
            let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
            // A file by itself has no folder to be under.
            if self.add(&name, Path::new(path.file_name().unwrap_or_default()), text)? {
                Ok(())
            } else {
                Err(OpaError::Malformed {
                    name: name.into_owned(),
                    reason: "it is neither a policy (.rego), nor data (.json, .yaml), nor a bundle (.tar.gz)"
                        .into(),
                })
            }
        }
    }

    /// What tells these from others, by their text.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for (name, text) in self.policies.iter().chain(&self.data) {
            for part in [name, text] {
                digest.update((part.len() as u64).to_le_bytes());
                digest.update(part);
            }
        }
        digest.finalize().into()
    }

    fn read_directory(&mut self, root: &Path, directory: &Path, depth: usize) -> Result<(), OpaError> {
        if depth > DEEPEST {
            return Err(OpaError::Malformed {
                name: directory.to_string_lossy().into_owned(),
                reason: format!("more than {DEEPEST} folders within one another"),
            });
        }
        let read = |error| unreadable(directory, &error);
        let mut entries: Vec<PathBuf> = fs::read_dir(directory)
            .map_err(read)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(read)?;
        entries.sort();
        for path in entries {
            if path.is_dir() {
                self.read_directory(root, &path, depth + 1)?;
            } else if is_wanted(&path) {
                let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
                let within = path.strip_prefix(root).unwrap_or(&path);
                self.add(&path.to_string_lossy(), within, text)?;
            }
        }
        Ok(())
    }

    fn read_bundle(&mut self, path: &Path, bundle: impl Read) -> Result<(), OpaError> {
        let read = |error| unreadable(path, &error);
        let mut archive = Archive::new(GzDecoder::new(bundle).take(MOST_BYTES));
        for entry in archive.entries().map_err(read)? {
            let mut entry = entry.map_err(read)?;
            let within = entry.path().map_err(read)?.into_owned();
            if !entry.header().entry_type().is_file() || !is_wanted(&within) {
                continue;
            }
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(read)?;
            let name = format!("{}:{}", path.display(), within.display());
            self.add(&name, &within, text)?;
        }
        Ok(())
    }

    /// Answers whether it is of a kind that is known.
    fn add(&mut self, name: &str, within: &Path, text: String) -> Result<bool, OpaError> {
        match within.extension().and_then(|extension| extension.to_str()) {
            Some("rego") => self.policies.push((name.to_owned(), text)),
            Some("json" | "yaml" | "yml") => {
                // YAML is a superset of JSON.
                let mut data: serde_json::Value = serde_norway::from_str(&text).map_err(|error| {
                    OpaError::Malformed { name: name.to_owned(), reason: error.to_string() }
                })?;
                for folder in folders(within).into_iter().rev() {
                    data = serde_json::Value::Object([(folder, data)].into_iter().collect());
                }
                self.data.push((name.to_owned(), data.to_string()));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Of a bundle, OPA takes policies and the files `data.json` and `data.yaml`.
fn is_wanted(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let policy = name.ends_with(".rego") && !name.ends_with("_test.rego");
    policy || matches!(&*name, "data.json" | "data.yaml" | "data.yml")
}

fn folders(within: &Path) -> Vec<String> {
    let Some(parent) = within.parent() else { return Vec::new() };
    let normal = |component| match component {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    };
    parent.components().filter_map(normal).collect()
}

fn unreadable(path: &Path, error: &std::io::Error) -> OpaError {
    OpaError::Read { path: path.to_owned(), reason: error.to_string() }
}
