//! Compiled modules on disk, by the hash of what they were compiled from.
#![expect(unsafe_code, reason = "loading native code from a file cannot be checked by the compiler")]

use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use wasmtime::{Engine, Module};

use super::EngineError;

/// The length of the hash in front of each entry.
const HASH: usize = 32;

/// A directory of compiled modules. Each file is the SHA-256 of what follows it, then wasmtime's artifact.
///
/// Compiled code runs unchecked, so that the directory must be this user's and closed to all others. The hash guards
/// against damage, not against an attacker: who may write here may as well replace the program.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    directory: PathBuf,
}

// === impl Cache ===

impl Cache {
    /// Opens the directory, making it when it is missing.
    pub(super) fn open(directory: PathBuf) -> Result<Self, EngineError> {
        match Self::check(&directory) {
            Ok(()) => Ok(Self { directory }),
            Err(reason) => Err(EngineError::Cache { path: directory, reason }),
        }
    }

    fn check(directory: &PathBuf) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let found = fs::symlink_metadata(directory)?;
        // What we create is ours: that tells who we are without asking the system.
        let owner = tempfile::tempfile_in(directory)?.metadata()?.uid();
        if !found.is_dir() || found.uid() != owner || found.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::other(
                "it must be a directory of this user that no other user may open; do `chmod 700` on it or name another",
            ));
        }
        Ok(())
    }

    /// The compiled module, from disk when it is there and sound.
    pub(super) fn load_or_compile(&self, engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Module> {
        let path = self.path(engine, wasm);
        if let Some(artifact) = read(&path) {
            // SAFETY: the bytes are as this code wrote them (their hash says so), into a directory that only this
            // user can write to. That they fit this version and configuration wasmtime itself checks.
            match unsafe { Module::deserialize(engine, &artifact) } {
                Ok(module) => return Ok(module),
                Err(error) => tracing::warn!("compiling anew what {} holds: {error}", path.display()),
            }
        }
        let module = Module::new(engine, wasm)?;
        if let Err(error) = self.write(&path, &module.serialize()?) {
            tracing::warn!("the compiled module was not kept at {}: {error}", path.display());
        }
        Ok(module)
    }

    fn path(&self, engine: &Engine, wasm: &[u8]) -> PathBuf {
        let mut compatibility = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut compatibility);
        let content = data_encoding::HEXLOWER.encode(&Sha256::digest(wasm));
        self.directory.join(format!("{content}-{:016x}.cwasm", compatibility.finish()))
    }

    /// Writes beside and renames, so that nobody ever reads half a file.
    fn write(&self, path: &PathBuf, artifact: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(&Sha256::digest(artifact))?;
        file.write_all(artifact)?;
        file.persist(path)?;
        Ok(())
    }
}

/// An entry's artifact, unless it is missing or damaged.
fn read(path: &PathBuf) -> Option<Vec<u8>> {
    let mut file = fs::read(path).ok()?;
    let hash: [u8; HASH] = *file.first_chunk()?;
    file.drain(..HASH);
    if Sha256::digest(&file)[..] == hash {
        return Some(file);
    }
    tracing::warn!("{} is damaged; compiling anew", path.display());
    None
}
