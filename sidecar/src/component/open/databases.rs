//! The databases that are open, by their files.

use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use pillion_capabilities::{Error, Redb};

/// The databases that components have open. Only one may have a file open, so that all who name it share it: a component
/// that a reload opens anew, before its elder is let go, and several of the same file.
#[derive(Debug, Default)]
pub(in crate::component) struct Databases(Mutex<Vec<(File, Weak<Redb>)>>);

/// A file, whatever names it has: its device and its number there.
type File = (u64, u64);

// === impl Databases ===

impl Databases {
    /// The database in a file.
    ///
    /// # Errors
    /// As [`Redb::open`].
    pub(super) fn open(&self, path: &str) -> Result<Arc<Redb>, Error> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(_, database)| database.strong_count() > 0);
        // One that is not there yet, or not any more, is nobody's.
        if let Some(file) = file(path)
            && let Some((_, database)) = open.iter().find(|(known, _)| *known == file)
            && let Some(database) = database.upgrade()
        {
            return Ok(database);
        }
        let database = Arc::new(Redb::open(path)?);
        if let Some(file) = file(path) {
            open.push((file, Arc::downgrade(&database)));
        }
        Ok(database)
    }
}

fn file(path: &str) -> Option<File> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
