//! Whether the files of a manifest are as they were.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pillion_capabilities::stamp::Stamp;

use super::Manifest;

/// Looks at a manifest's files, as often as it is asked to.
///
/// A change is one once two looks in a row have found the files the same, so that what is still being written is not
/// read; whoever writes slowly renames a new file to its place. A file that changed so shortly before it was read that a
/// later change might look the same is said to have changed once more, to be on the safe side.
#[derive(Debug)]
pub struct Watch {
    /// Files and folders, with how they looked when they were last taken notice of.
    followed: BTreeMap<PathBuf, Look>,
    /// How they looked the last time.
    found: Option<Vec<Look>>,
    /// Whether a look may have been too early to tell all later states from it.
    unsettled: bool,
}

/// What is at a path, and within it; `None` of what is not there.
type Look = BTreeMap<PathBuf, Option<Stamp>>;

/// Folders within folders; more is a loop of links.
const DEEPEST: usize = 32;

// === impl Watch ===

impl Watch {
    /// Watches the file of a manifest. To be called before it is read.
    #[must_use]
    pub fn new(manifest: &Path) -> Self {
        let followed = BTreeMap::from([(manifest.to_owned(), look(manifest))]);
        let mut watch = Self { followed, found: None, unsettled: false };
        watch.note();
        watch
    }

    /// Watches these files and folders too, besides those that are watched already. To be called before they are read.
    pub fn follow(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        for path in paths {
            self.followed.entry(path).or_insert_with_key(|path| look(path));
        }
        self.found = None;
        self.note();
    }

    /// Watches the files that are not among these no longer, but for the manifest, which is the first that it was told of.
    pub fn forget_others(&mut self, manifest: &Path, paths: &[PathBuf]) {
        self.followed.retain(|path, _| path == manifest || paths.contains(path));
        self.found = None;
    }

    /// Looks again; answers whether the files have changed since they were last said to have, or first watched. Reads
    /// folders, so that it may take a moment.
    pub fn changed(&mut self) -> bool {
        let now: Vec<Look> = self.followed.keys().map(|path| look(path)).collect();
        let same = self.found.as_ref() == Some(&now);
        if !same {
            self.found = Some(now);
            return false;
        }
        let taken = self.followed.values().eq(&now);
        if taken && !(self.unsettled && settled(&now)) {
            return false;
        }
        for (look, now) in self.followed.values_mut().zip(now) {
            *look = now;
        }
        self.note();
        true
    }

    fn note(&mut self) {
        self.unsettled = !settled(self.followed.values());
    }
}

// === impl Manifest ===

impl Manifest {
    /// The files and folders that it names and that are read when a host is started or reloads it; `base` is the folder
    /// from which its paths are seen.
    #[must_use]
    pub fn files(&self, base: &Path) -> Vec<PathBuf> {
        let modules = self.actors.iter().map(|actor| &actor.module);
        let keys = self.policy_keys.iter().map(|key| &key.file);
        self.tokens
            .iter()
            .chain(&self.policies)
            .chain(keys)
            .chain(modules)
            .map(|path| base.join(path))
            .collect()
    }
}

// === free functions ===

fn look(path: &Path) -> Look {
    let mut look = Look::new();
    add(&mut look, path, 0);
    look
}

fn add(look: &mut Look, path: &Path, depth: usize) {
    if let Ok(entries) = std::fs::read_dir(path) {
        if depth < DEEPEST {
            for entry in entries.flatten() {
                add(look, &entry.path(), depth + 1);
            }
        }
        return;
    }
    look.insert(path.to_owned(), Stamp::at(path).ok());
}

fn settled<'a>(looks: impl IntoIterator<Item = &'a Look>) -> bool {
    looks.into_iter().flat_map(BTreeMap::values).flatten().all(Stamp::is_settled)
}
