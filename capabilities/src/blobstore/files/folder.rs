//! A folder, and the files right in it: no path ever leaves it.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, fsync, mkdirat, openat,
    renameat, statat, unlinkat,
};
use rustix::io::Errno;
use uuid::Uuid;

use crate::blobstore::names::{check_container, check_object};
use crate::{Error, Result};

/// A folder by its descriptor.
///
/// Every look-up takes an [`Entry`], which is one name without a `/`, and follows no link. So it finds what stands
/// right in this folder or nothing, whoever moves or links what meanwhile.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

/// One name in a folder, as it is on the disk. It is made of a checked name, or read from the folder itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry(String);

/// What stands under an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meta {
    /// In bytes.
    pub(super) size: u64,
    pub(super) changed: Option<SystemTime>,
}

/// Begins the name of every file that is not whole yet. No object has such a name, since a `/` in an object's name
/// is a backslash here, and no object's name begins with a `/`.
const TEMPORARY: &str = "\\upload-";

/// Files and folders belong to the user who runs this and to nobody else.
const FILE: Mode = Mode::RUSR.union(Mode::WUSR);
const FOLDER: Mode = Mode::RWXU;

// === impl Entry ===

impl Entry {
    pub(super) fn of_container(name: &str) -> Result<Self> {
        check_container(name)?;
        Ok(Self(name.to_owned()))
    }

    pub(super) fn of_object(name: &str) -> Result<Self> {
        check_object(name)?;
        Ok(Self(name.replace('/', "\\")))
    }

    fn on_disk(name: &CStr) -> Option<Self> {
        let name = name.to_str().ok().filter(|name| !matches!(*name, "." | ".."))?;
        Some(Self(name.to_owned()))
    }

    /// The container of this name, if a container may have it.
    pub(super) fn container(&self) -> Option<&str> {
        check_container(&self.0).is_ok().then_some(&self.0)
    }

    /// The object of this name, if an object may have it.
    pub(super) fn object(&self) -> Option<String> {
        let name = self.0.replace('\\', "/");
        check_object(&name).is_ok().then_some(name)
    }

    pub(super) fn is_temporary(&self) -> bool {
        self.0.starts_with(TEMPORARY)
    }
}

// === impl Folder ===

impl Folder {
    /// Opens any folder. The path is followed wherever it leads.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// A folder in this one, if there is one.
    pub(super) fn folder(&self, entry: &Entry) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&self.0, &*entry.0, flags, Mode::empty()) {
            Ok(folder) => Ok(Some(Self(folder))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a folder in this one; answers whether it is new.
    pub(super) fn make(&self, entry: &Entry) -> io::Result<bool> {
        match mkdirat(&self.0, &*entry.0, FOLDER) {
            Ok(()) => self.sync().map(|()| true),
            Err(Errno::EXIST) if self.folder_meta(entry)?.is_some() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes an empty folder in this one; answers whether it was there.
    pub(super) fn unmake(&self, entry: &Entry) -> io::Result<bool> {
        match unlinkat(&self.0, &*entry.0, AtFlags::REMOVEDIR) {
            Ok(()) => self.sync().map(|()| true),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn folder_meta(&self, entry: &Entry) -> io::Result<Option<Meta>> {
        self.meta(entry, FileType::Directory)
    }

    pub(super) fn file_meta(&self, entry: &Entry) -> io::Result<Option<Meta>> {
        self.meta(entry, FileType::RegularFile)
    }

    fn meta(&self, entry: &Entry, kind: FileType) -> io::Result<Option<Meta>> {
        match statat(&self.0, &*entry.0, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Meta::of(&stat, kind)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file to read, if there is one. A link, a pipe, a device or a folder is none.
    pub(super) fn file(&self, entry: &Entry) -> io::Result<Option<(File, Meta)>> {
        // Without NONBLOCK a pipe would keep us waiting for its other end.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match openat(&self.0, &*entry.0, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let meta = Meta::of(&fstat(&file)?, FileType::RegularFile);
        Ok(meta.map(|meta| (file.into(), meta)))
    }

    /// Makes a file that is not whole yet. It is locked as long as it is open, and not cleared away meanwhile.
    pub(super) fn temporary(&self) -> io::Result<(Entry, File)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        loop {
            let entry = Entry(format!("{TEMPORARY}{}", Uuid::new_v4()));
            let file = openat(&self.0, &*entry.0, flags, FILE)?;
            flock(&file, FlockOperation::LockExclusive)?;
            // Somebody may have cleared it away before it was locked.
            if fstat(&file)?.st_nlink > 0 {
                return Ok((entry, file.into()));
            }
        }
    }

    /// Clears away files whose upload ended without a word, as by `kill -9`. Those under way, here or in another
    /// process, are locked and stay.
    pub(super) fn clear(&self) -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        self.entries(|entry| {
            if entry.is_temporary() {
                let file = openat(&self.0, &*entry.0, flags, Mode::empty());
                if file.is_ok_and(|file| flock(file, FlockOperation::NonBlockingLockExclusive).is_ok()) {
                    self.remove(&entry)?;
                }
            }
            Ok(())
        })
    }

    /// Gives a file another name, replacing the file of that name at one moment.
    pub(super) fn rename(&self, from: &Entry, to: &Entry) -> io::Result<()> {
        Ok(renameat(&self.0, &*from.0, &self.0, &*to.0)?)
    }

    /// Removes a file; answers whether it was there.
    pub(super) fn remove(&self, entry: &Entry) -> io::Result<bool> {
        match unlinkat(&self.0, &*entry.0, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the disk knows the names in this folder.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(fsync(&self.0)?)
    }

    /// Every name in this folder that is UTF-8, in no order.
    pub(super) fn entries(&self, mut each: impl FnMut(Entry) -> io::Result<()>) -> io::Result<()> {
        for found in Dir::read_from(&self.0)? {
            if let Some(entry) = Entry::on_disk(found?.file_name()) {
                each(entry)?;
            }
        }
        Ok(())
    }
}

// === impl Meta ===

impl Meta {
    fn of(stat: &Stat, kind: FileType) -> Option<Self> {
        let changed = || {
            let seconds = u64::try_from(stat.st_mtime).ok()?;
            let nanoseconds = u32::try_from(stat.st_mtime_nsec).ok()?;
            SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanoseconds))
        };
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        (FileType::from_raw_mode(stat.st_mode) == kind).then(|| Self { size, changed: changed() })
    }
}

// === free functions ===

/// What the operating system said when something was done.
pub(super) fn failed(what: &str, error: &io::Error) -> Error {
    Error::Failed { provider: "files".to_owned(), reason: format!("{what}: {error}") }
}
