//! Bundles, as OPA has them: files below the roots that they own.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use serde::Deserialize;
use tar::Archive;

use super::OpaError;
use super::key::PolicyKey;
use super::signature::{self, SIGNATURES};

/// A bundle of policies and data, packed or as a folder.
pub(super) struct Bundle {
    pub(super) path: PathBuf,
    /// By their names within it.
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

/// The paths below `data` that a bundle owns.
#[derive(Clone, Debug)]
pub(super) struct Roots(Vec<Vec<String>>);

#[derive(Deserialize)]
struct Manifest {
    /// Everything, if there are none.
    roots: Option<Vec<String>>,
}

/// Where a bundle says what it owns.
const MANIFEST: &str = ".manifest";

/// A policy bundle is text; one that unpacks to more than this is an attack or a mistake.
const MOST_BYTES: u64 = 64 << 20;

/// Folders within folders; more is a loop of links.
pub(super) const DEEPEST: usize = 32;

// === impl Bundle ===

impl Bundle {
    /// Whether a folder says that it is one.
    pub(super) fn is_at(folder: &Path) -> bool {
        [MANIFEST, SIGNATURES].iter().any(|name| folder.join(name).is_file())
    }

    pub(super) fn unpack(path: &Path, packed: impl Read) -> Result<Self, OpaError> {
        let read = |error| unreadable(path, &error);
        let mut files = BTreeMap::new();
        let mut archive = Archive::new(GzDecoder::new(packed).take(MOST_BYTES));
        for entry in archive.entries().map_err(read)? {
            let mut entry = entry.map_err(read)?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let within = entry.path().map_err(read)?.into_owned();
            let malformed = |reason: &str| OpaError::Malformed {
                name: format!("{}:{}", path.display(), within.display()),
                reason: reason.to_owned(),
            };
            let name = name(&within).ok_or_else(|| malformed("the name leads out of the bundle"))?;
            let mut content = Vec::new();
            entry.read_to_end(&mut content).map_err(read)?;
            if files.insert(name, content).is_some() {
                return Err(malformed("the bundle has two files of that name"));
            }
        }
        Ok(Self { path: path.to_owned(), files })
    }

    pub(super) fn read(folder: &Path) -> Result<Self, OpaError> {
        let mut bundle = Self { path: folder.to_owned(), files: BTreeMap::new() };
        let mut room = MOST_BYTES;
        bundle.add(folder, folder, 0, &mut room)?;
        Ok(bundle)
    }

    fn add(&mut self, root: &Path, folder: &Path, depth: usize, room: &mut u64) -> Result<(), OpaError> {
        let malformed = |path: &Path, reason: String| OpaError::Malformed {
            name: path.to_string_lossy().into_owned(),
            reason,
        };
        if depth > DEEPEST {
            return Err(malformed(folder, format!("more than {DEEPEST} folders within one another")));
        }
        let read = |error| unreadable(folder, &error);
        for entry in fs::read_dir(folder).map_err(read)? {
            let path = entry.map_err(read)?.path();
            if path.is_dir() {
                self.add(root, &path, depth + 1, room)?;
                continue;
            }
            let content = fs::read(&path).map_err(|error| unreadable(&path, &error))?;
            *room = room.checked_sub(content.len() as u64).ok_or_else(|| {
                malformed(root, format!("it holds more than {MOST_BYTES} bytes; policies are text"))
            })?;
            let within = path.strip_prefix(root).unwrap_or(&path);
            let name = name(within).ok_or_else(|| malformed(&path, "it has no name".to_owned()))?;
            self.files.insert(name, content);
        }
        Ok(())
    }

    /// How errors call one of its files.
    pub(super) fn name_of(&self, file: &str) -> String {
        format!("{}:{file}", self.path.display())
    }

    /// Verifies its signature, if there are keys or a signature.
    pub(super) fn verify(&self, keys: &[PolicyKey]) -> Result<(), OpaError> {
        let refused = |reason| OpaError::Unverified { path: self.path.clone(), reason };
        signature::verify(&self.files, keys).map_err(refused)
    }

    /// What it owns.
    pub(super) fn roots(&self) -> Result<Roots, OpaError> {
        let Some(manifest) = self.files.get(MANIFEST) else { return Ok(Roots(vec![Vec::new()])) };
        let malformed = |reason: String| OpaError::Malformed { name: self.name_of(MANIFEST), reason };
        let manifest: Manifest =
            serde_json::from_slice(manifest).map_err(|error| malformed(error.to_string()))?;
        let roots = Roots::of(manifest.roots);
        for (at, one) in roots.0.iter().enumerate() {
            for other in &roots.0[at + 1..] {
                if overlap(one, other) {
                    let (one, other) = (one.join("/"), other.join("/"));
                    return Err(malformed(format!("its roots {one:?} and {other:?} overlap; leave one out")));
                }
            }
        }
        Ok(roots)
    }
}

// === impl Roots ===

impl Roots {
    fn of(roots: Option<Vec<String>>) -> Self {
        let Some(roots) = roots else { return Self(vec![Vec::new()]) };
        let split = |root: &String| {
            root.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        };
        Self(roots.iter().map(split).collect())
    }

    /// Whether a path below `data` is within.
    pub(super) fn contain(&self, path: &[String]) -> bool {
        self.0.iter().any(|root| path.starts_with(root))
    }

    /// The first place in data, which is found under that path, that is not within.
    pub(super) fn outside(&self, path: &mut Vec<String>, data: &serde_json::Value) -> Option<String> {
        if self.contain(path) {
            return None;
        }
        let leads_to_a_root = self.0.iter().any(|root| root.starts_with(path));
        match data {
            serde_json::Value::Object(entries) if leads_to_a_root => {
                entries.iter().find_map(|(key, value)| {
                    path.push(key.clone());
                    let found = self.outside(path, value);
                    path.pop();
                    found
                })
            }
            _ => Some(path.join("/")),
        }
    }

    /// A root that both have, or that is within one of the other's.
    pub(super) fn overlap(&self, other: &Self) -> Option<String> {
        let common =
            |one: &Vec<String>| other.0.iter().find(|other| overlap(one, other)).map(|it| (one.clone(), it));
        let (one, other) = self.0.iter().find_map(common)?;
        Some(if one.len() > other.len() { one.join("/") } else { other.join("/") })
    }
}

impl fmt::Display for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|root| root.join("/"))).finish()
    }
}

// === free functions ===

fn overlap(one: &[String], other: &[String]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// A file's name within its bundle, unless it leads out of it.
fn name(within: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in within.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> OpaError {
    OpaError::Read { path: path.to_owned(), reason: error.to_string() }
}
