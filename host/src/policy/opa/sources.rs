//! Policies and data from files, directories and bundles.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest, Sha256};

use super::OpaError;
use super::bundle::{Bundle, DEEPEST, Roots, unreadable};
use super::key::PolicyKey;

/// Policies and data.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) policies: Vec<Source>,
    /// JSON, already under the path where it is to be found.
    pub(super) data: Vec<Source>,
    /// What each bundle owns, by the path of the bundle.
    bundles: Vec<(PathBuf, Roots)>,
}

/// A policy or data.
pub(super) struct Source {
    /// By which errors call it.
    pub(super) name: String,
    pub(super) text: String,
    /// The number of the bundle that it is of.
    bundle: Option<usize>,
}

// === impl Sources ===

impl Sources {
    pub(super) fn of_policy(name: &str, rego: &str) -> Self {
        let policy = Source { name: name.to_owned(), text: rego.to_owned(), bundle: None };
        Self { policies: vec![policy], ..Self::default() }
    }

    /// Reads a file by its extension, or a directory with all that it holds. With keys, only what one of them signed.
    pub(super) fn read(&mut self, path: &Path, keys: &[PolicyKey]) -> Result<(), OpaError> {
        let name = path.to_string_lossy();
        if path.is_dir() {
            if keys.is_empty() && !Bundle::is_at(path) {
                return self.read_directory(path, path, 0);
            }
            return self.take(&Bundle::read(path)?, keys);
        }
        if name.ends_with(".tar.gz") || name.ends_with(".tgz") {
            let file = File::open(path).map_err(|error| unreadable(path, &error))?;
            return self.take(&Bundle::unpack(path, BufReader::new(file))?, keys);
        }
        let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        if !keys.is_empty() {
            let reason = "a file by itself has no signature, and keys are given; put it into a signed bundle";
            return Err(OpaError::Unverified { path: path.to_owned(), reason: reason.to_owned() });
        }
        // A file by itself has no folder to be under.
        if self.add(&name, Path::new(path.file_name().unwrap_or_default()), text, None)? {
            return Ok(());
        }
        Err(OpaError::Malformed {
            name: name.into_owned(),
            reason: "it is neither a policy (.rego), nor data (.json, .yaml), nor a bundle (.tar.gz)".into(),
        })
    }

    /// What tells these from others, by their text.
    pub(super) fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for Source { name, text, .. } in self.policies.iter().chain(&self.data) {
            for part in [name, text] {
                digest.update((part.len() as u64).to_le_bytes());
                digest.update(part);
            }
        }
        digest.finalize().into()
    }

    /// Whether policies are where their bundles may have them. The packages are those of the policies, in their order.
    pub(super) fn check_packages(&self, packages: &[Vec<String>]) -> Result<(), OpaError> {
        for (policy, package) in self.policies.iter().zip(packages) {
            if let Some((_, roots)) = policy.bundle.map(|number| &self.bundles[number])
                && !roots.contain(package)
            {
                let reason = format!(
                    "its package {:?} is not below the roots {roots} of its bundle",
                    package.join(".")
                );
                return Err(OpaError::Malformed { name: policy.name.clone(), reason });
            }
        }
        Ok(())
    }

    fn take(&mut self, bundle: &Bundle, keys: &[PolicyKey]) -> Result<(), OpaError> {
        bundle.verify(keys)?;
        let roots = bundle.roots()?;
        for (other, others) in &self.bundles {
            if let Some(root) = roots.overlap(others) {
                return Err(OpaError::Overlap { one: other.clone(), other: bundle.path.clone(), root });
            }
        }
        let number = self.bundles.len();
        self.bundles.push((bundle.path.clone(), roots));
        for (file, content) in bundle.files.iter().filter(|(file, _)| is_wanted(Path::new(file))) {
            let name = bundle.name_of(file);
            let text = String::from_utf8(content.clone())
                .map_err(|error| OpaError::Malformed { name: name.clone(), reason: error.to_string() })?;
            self.add(&name, Path::new(file), text, Some(number))?;
        }
        Ok(())
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
                self.add(&path.to_string_lossy(), within, text, None)?;
            }
        }
        Ok(())
    }

    /// Answers whether it is of a kind that is known.
    fn add(
        &mut self,
        name: &str,
        within: &Path,
        text: String,
        bundle: Option<usize>,
    ) -> Result<bool, OpaError> {
        let source = |text| Source { name: name.to_owned(), text, bundle };
        let malformed = |reason: String| OpaError::Malformed { name: name.to_owned(), reason };
        match within.extension().and_then(|extension| extension.to_str()) {
            Some("rego") => self.policies.push(source(text)),
            Some("json" | "yaml" | "yml") => {
                // YAML is a superset of JSON.
                let mut data: serde_json::Value =
                    serde_norway::from_str(&text).map_err(|error| malformed(error.to_string()))?;
                for folder in folders(within).into_iter().rev() {
                    data = serde_json::Value::Object([(folder, data)].into_iter().collect());
                }
                if let Some((_, roots)) = bundle.map(|number| &self.bundles[number])
                    && let Some(path) = roots.outside(&mut Vec::new(), &data)
                {
                    let reason = format!("the data at {path:?} is not below the roots {roots} of its bundle");
                    return Err(malformed(reason));
                }
                self.data.push(source(data.to_string()));
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
