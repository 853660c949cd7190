//! Reading what the user named, and writing whole files or none.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use zeroize::Zeroizing;

use crate::exit::Usage;
use crate::out::tell;

/// What becomes of a file that is there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    Kept,
    Replaced,
}

/// The largest module or file of tokens that is read, in bytes.
const LARGEST: u64 = 1 << 30;
/// The largest file of a seed, in bytes: 58 characters, and room for white space.
const LARGEST_SEED: usize = 1024;

/// Reads a module or a file of tokens.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| Usage(format!("{}: {error}", path.display())))?;
    if bytes.len() as u64 > LARGEST {
        bail!(Usage(format!("{}: larger than {LARGEST} bytes", path.display())));
    }
    Ok(bytes)
}

/// Reads a seed, and warns if others can do so as well.
pub(super) fn read_seed(path: &Path) -> Result<Zeroizing<String>> {
    let refused = |error: &dyn std::fmt::Display| Usage(format!("{}: {error}", path.display()));
    let mut file = File::open(path).map_err(|error| refused(&error))?;
    let metadata = file.metadata().map_err(|error| refused(&error))?;
    if metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        let path = path.display();
        tell!("pillion: warning: others may read or change the seed in {path}; `chmod 600 {path}` ends that");
    }
    // The room is there from the begin: a buffer that grows leaves copies of the seed behind.
    let mut bytes = Zeroizing::new(vec![0; LARGEST_SEED]);
    let mut length = 0;
    while length < bytes.len() {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => bail!(refused(&error)),
        }
    }
    let text = std::str::from_utf8(&bytes[..length]).map_err(|_| refused(&"it does not hold a seed"))?;
    Ok(Zeroizing::new(text.trim().to_owned()))
}

/// Writes a file with this mode, less the umask; whole, or not at all.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32, existing: Existing) -> Result<()> {
    // Through a link, the file that it leads to is the one to replace; the link stays.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&target).is_ok_and(|there| !there.is_file()) {
        bail!(Usage(format!("{}: this is not a file that can be written", path.display())));
    }
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .with_context(|| path.display().to_string())?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .with_context(|| path.display().to_string())?;
    let written = match existing {
        Existing::Replaced => file.persist(&target),
        Existing::Kept => file.persist_noclobber(&target),
    };
    match written {
        Ok(_) => Ok(()),
        Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => bail!(Usage(format!(
            "{} is there already and is kept; name another file, or replace it by --force",
            path.display()
        ))),
        Err(refused) => Err(refused.error).with_context(|| path.display().to_string()),
    }
}
