//! A folder, and what is below it: no look-up ever leaves it.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, fstat, fsync, mkdirat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use uuid::Uuid;

use super::name::DEEPEST;

/// A folder by its descriptor. Everything in it is looked up by one name at a time, and no link is followed, so that what
/// is found is below it, whoever moves or links what meanwhile.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

/// How the name of a file begins that is not whole yet.
const TEMPORARY: &str = ".pillion-upload-";
/// The most bytes of a file that is read: it goes through memory.
const LARGEST: u64 = 256 << 20;
/// The most files of a list.
const MOST_FILES: usize = 100_000;
/// What a umask leaves of these, as for any program.
const FILE: Mode = Mode::from_raw_mode(0o666);
const FOLDER: Mode = Mode::from_raw_mode(0o777);

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

// === impl Folder ===

impl Folder {
    /// Opens any folder. The path is followed wherever it leads.
    pub(super) fn open(path: &Path) -> Result<Self> {
        Ok(Self(openat(CWD, path, OPEN, Mode::empty())?))
    }

    /// A folder below this one.
    pub(super) fn find(&self, segments: &[String]) -> Result<Self> {
        let mut folder = Self(self.0.try_clone()?);
        for segment in segments {
            folder = folder.enter(segment)?;
        }
        Ok(folder)
    }

    /// A folder below this one; what is not there of it is made.
    pub(super) fn make(&self, segments: &[String]) -> Result<Self> {
        let mut folder = Self(self.0.try_clone()?);
        for segment in segments {
            match mkdirat(&folder.0, segment.as_str(), FOLDER) {
                Ok(()) => fsync(&folder.0)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            folder = folder.enter(segment)?;
        }
        Ok(folder)
    }

    /// Writes a file, so that it is there whole or not at all.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        if self.is_folder(name)? {
            return Err(ErrorKind::IsADirectory.into());
        }
        let temporary = format!("{TEMPORARY}{}", Uuid::new_v4());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&self.0, temporary.as_str(), flags, FILE)?);
        let written = (|| {
            file.write_all(bytes)?;
            file.sync_all()?;
            renameat(&self.0, temporary.as_str(), &self.0, name)?;
            fsync(&self.0)?;
            Ok(())
        })();
        if written.is_err() {
            // It may have its name already.
            let _ = unlinkat(&self.0, temporary.as_str(), AtFlags::empty());
        }
        written
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>> {
        // A pipe would be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty()).map_err(unlinked)?;
        let stat = fstat(&file)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {}
            FileType::Directory => return Err(ErrorKind::IsADirectory.into()),
            _ => return Err(ErrorKind::NotFound.into()),
        }
        let mut bytes = Vec::with_capacity(usize::try_from(stat.st_size).unwrap_or(0).min(LARGEST as usize));
        File::from(file).take(LARGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST {
            return Err(Error::other(format!("it has more than {LARGEST} bytes")));
        }
        Ok(bytes)
    }

    /// Removes a file, or an empty folder.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let flags = if self.is_folder(name)? { AtFlags::REMOVEDIR } else { AtFlags::empty() };
        unlinkat(&self.0, name, flags)?;
        fsync(&self.0)?;
        Ok(())
    }

    /// The files below this folder, sorted.
    pub(super) fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        self.collect(Path::new(""), 0, &mut files)?;
        files.sort();
        Ok(files)
    }

    fn collect(&self, place: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
        for entry in Dir::read_from(&self.0)? {
            let entry = entry?;
            // A name that is no text cannot be asked for either.
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") || name.starts_with(TEMPORARY) {
                continue;
            }
            let stat = match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // It was removed meanwhile.
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::RegularFile => files.push(place.join(name)),
                FileType::Directory if depth < DEEPEST => match self.enter(name) {
                    Ok(folder) => folder.collect(&place.join(name), depth + 1, files)?,
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                },
                _ => {}
            }
            if files.len() > MOST_FILES {
                return Err(Error::other(format!("there are more than {MOST_FILES}")));
            }
        }
        Ok(())
    }

    fn enter(&self, name: &str) -> Result<Self> {
        openat(&self.0, name, OPEN | OFlags::NOFOLLOW, Mode::empty()).map(Self).map_err(unlinked)
    }

    fn is_folder(&self, name: &str) -> Result<bool> {
        match statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// A link is not there.
fn unlinked(error: Errno) -> Error {
    match error {
        Errno::LOOP => ErrorKind::NotFound.into(),
        error => error.into(),
    }
}
