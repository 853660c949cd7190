//! Guests in every language.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::SystemTime;

use crate::Error;
use crate::build::{MODULES, rust_guests};
use crate::cargo::target_dir;
use crate::toolchain::workspace;

/// A language that guests are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is named after itself")]
pub enum Language {
    Rust,
    Zig,
    C,
    AssemblyScript,
    Go,
}

/// A module as it was built: not signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its language.
    pub language: Language,
    /// `all` for the module of all apps, else the name of the one app in it.
    pub app: String,
    /// Where it is.
    pub path: PathBuf,
}

/// No language has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no language is called {0:?}; there are rust, zig, c, assemblyscript, go")]
pub struct UnknownLanguage(String);

/// By this exit code a language's script says that its toolchain is not there.
const LACKS: i32 = 3;

/// The modules of a language, built if they are not up to date.
///
/// # Errors
/// [`Error::Missing`] without the language's toolchain; else what its compiler said.
pub fn modules(language: Language) -> Result<Vec<Module>, Error> {
    if language == Language::Rust {
        return rust_guests();
    }
    let out = target_dir().join("guests").join(language.name());
    fs::create_dir_all(&out).map_err(|cause| Error::File { path: out.clone(), cause })?;
    // One at a time: tests in several processes ask for them.
    let path = out.join("lock");
    let lock = File::create(&path).map_err(|cause| Error::File { path: path.clone(), cause })?;
    lock.lock().map_err(|cause| Error::File { path, cause })?;
    let sources = workspace().join("actors/wasm").join(language.name());
    let stamp = out.join("built");
    // C is compiled by Zig, whose folder says which version that is.
    let zig = workspace().join("actors/wasm").join(Language::Zig.name());
    if is_newer(&stamp, &sources) && (language != Language::C || is_newer(&stamp, &zig)) {
        return Ok(found(language, &out));
    }
    let script = sources.join("build");
    let output = Command::new(&script)
        .arg(&out)
        .output()
        .map_err(|cause| Error::Start { program: script.display().to_string(), cause })?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code() {
        Some(0) => fs::write(&stamp, "").map_err(|cause| Error::File { path: stamp, cause })?,
        Some(LACKS) => return Err(Error::Missing { language, reason: said.trim().to_owned() }),
        _ => {
            let command = format!("actors/wasm/{language}/build {}", out.display());
            return Err(Error::Build { command, output: said });
        }
    }
    Ok(found(language, &out))
}

/// Whether a file is newer than everything in a folder. Compilers of these languages know no "up to date", and take tens of
/// seconds; one of another version is noticed where its folder says which it is.
fn is_newer(stamp: &Path, sources: &Path) -> bool {
    fn newest_in(folder: &Path) -> io::Result<SystemTime> {
        let mut newest = folder.metadata()?.modified()?;
        for entry in folder.read_dir()? {
            let path = entry?.path();
            let own = if path.is_dir() { newest_in(&path)? } else { path.metadata()?.modified()? };
            newest = newest.max(own);
        }
        Ok(newest)
    }
    let built = stamp.metadata().and_then(|stamp| stamp.modified());
    matches!((built, newest_in(sources)), (Ok(built), Ok(newest)) if built > newest)
}

/// The modules that are in a folder.
fn found(language: Language, out: &Path) -> Vec<Module> {
    let module = |app: &str| {
        let path = out.join(format!("{app}.wasm"));
        // A language may leave an app out.
        path.is_file().then(|| Module { language, app: app.to_owned(), path })
    };
    MODULES.into_iter().filter_map(module).collect()
}

// === impl Language ===

impl Language {
    /// Every language.
    pub const ALL: [Self; 5] = [Self::Rust, Self::Zig, Self::C, Self::AssemblyScript, Self::Go];

    /// Its name, as in folders and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Zig => "zig",
            Self::C => "c",
            Self::AssemblyScript => "assemblyscript",
            Self::Go => "go",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(name: &str) -> Result<Self, UnknownLanguage> {
        let known = Self::ALL.into_iter().find(|language| language.name() == name);
        known.ok_or_else(|| UnknownLanguage(name.to_owned()))
    }
}
