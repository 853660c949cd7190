//! What tells one state of a file from another.

use std::fs::{File, Metadata};
use std::io::{Read, Result};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A state of a file, as far as it can be known without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    size: u64,
    /// The device and the number of the file: another file may have been renamed to its place.
    place: (u64, u64),
    /// When it was written to or otherwise changed, in seconds and nanoseconds since 1970. Unlike the time of
    /// modification nobody can set it back.
    changed: (i64, i64),
}

/// No file system's clock is coarser.
const COARSEST: Duration = Duration::from_secs(2);

// === impl Stamp ===

impl Stamp {
    /// The state that a file is in.
    ///
    /// # Errors
    /// When the file system does not say.
    pub fn of(file: &File) -> Result<Self> {
        Ok(Self::of_metadata(&file.metadata()?))
    }

    /// The state that what is at a path is in, be it a file or a folder; links are followed.
    ///
    /// # Errors
    /// When there is nothing, or it cannot be looked at.
    pub fn at(path: &Path) -> Result<Self> {
        Ok(Self::of_metadata(&std::fs::metadata(path)?))
    }

    fn of_metadata(meta: &Metadata) -> Self {
        Self { size: meta.len(), place: (meta.dev(), meta.ino()), changed: (meta.ctime(), meta.ctime_nsec()) }
    }

    /// Whether a later state is sure to have another stamp. Just after a change another one may look the same.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_settled_at(SystemTime::now())
    }

    fn is_settled_at(&self, now: SystemTime) -> bool {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(self.changed.0).is_ok_and(|changed| changed + COARSEST.as_secs() < since.as_secs())
    }
}

// === free functions ===

/// What is in a file, `None` if that is more than `most` bytes.
pub(crate) fn read(file: &File, most: u64) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn a_stamp_is_settled_once_no_later_state_can_have_it() {
        let file = tempfile::tempfile().unwrap();
        let stamp = Stamp::of(&file).unwrap();
        let now = SystemTime::now();
        assert!(!stamp.is_settled_at(now));
        assert!(!stamp.is_settled_at(SystemTime::UNIX_EPOCH), "the clock was set back");
        assert!(stamp.is_settled_at(now + COARSEST + Duration::from_secs(2)));
    }

    #[test]
    fn files_are_read_up_to_a_bound() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"12345").unwrap();
        file.rewind().unwrap();
        assert_eq!(read(&file, 5).unwrap().unwrap(), b"12345");
        file.rewind().unwrap();
        assert_eq!(read(&file, 4).unwrap(), None);
    }
}
