//! Ways to build the guests in Rust, compared: how large modules get, and how long one call takes.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::GUEST;
use crate::cargo::{Build, target_dir};
use crate::{ALL, Error};

/// The module that is timed.
const TIMED: &str = "kv";
/// So many rounds are timed, in which all modules take turns: whatever else the machine does befalls all alike.
const ROUNDS: usize = 9;
/// Times one, in node.
const TIMES: &str = include_str!("profiles.mjs");

/// A way to build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// `3`, `s` or `z`.
    pub opt_level: &'static str,
    /// Whether a panic ends the module at once and without a word, for which std is built anew.
    pub aborts_at_once: bool,
    /// Whether the allocator is talc, instead of std's own.
    pub talc: bool,
    /// Whether binaryen's `wasm-opt -Oz` has its turn at the end.
    pub wasm_opt: bool,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The way.
    pub profile: Profile,
    /// The bytes of the module with every app.
    pub all: u64,
    /// The bytes of the module `kv`.
    pub kv: u64,
    /// Nanoseconds for one `kv.get` of 16 bytes in node, with the host of it: the least that was seen, since whatever else
    /// the machine does only adds.
    pub nanoseconds: f64,
}

/// Builds by each way, and measures. `progress` is told each of them. The first row is how the guests are built.
///
/// # Errors
/// [`Error`]. Where there is no source of std, or no `wasm-opt`, the ways that need it are left out, and `progress` is
/// told.
pub fn compare(mut progress: impl FnMut(&str)) -> Result<Vec<Row>, Error> {
    let mut built = Vec::new();
    for profile in plain_profiles() {
        progress(&format!("building {profile}"));
        match profile.build() {
            Ok(paths) => built.push((profile, paths)),
            Err(Error::NoStd) => progress(&format!("left out: {profile}: {}", Error::NoStd)),
            Err(error) => return Err(error),
        }
    }
    for (profile, paths) in built.clone() {
        let profile = Profile { wasm_opt: true, ..profile };
        match paths.iter().map(|path| optimized(path)).collect::<Result<Vec<_>, _>>() {
            Ok(paths) => built.push((profile, paths)),
            Err(error @ Error::Tool { .. }) => {
                progress(&format!("left out: everything with wasm-opt: {error}"));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    progress("timing");
    let timed: Vec<&Path> =
        built.iter().filter_map(|(_, paths)| paths.last()).map(PathBuf::as_path).collect();
    let times = times(&timed)?;
    built.iter().zip(times).map(|((profile, paths), time)| profile.row(paths, time)).collect()
}

/// The ways without `wasm-opt`.
fn plain_profiles() -> impl Iterator<Item = Profile> {
    // Those with the same std next to each other.
    [false, true].into_iter().flat_map(|aborts_at_once| {
        [false, true].into_iter().flat_map(move |talc| {
            ["3", "s", "z"].map(|opt_level| Profile { opt_level, aborts_at_once, talc, wasm_opt: false })
        })
    })
}

/// A module as `wasm-opt -Oz` leaves it, with the names of its functions.
fn optimized(path: &Path) -> Result<PathBuf, Error> {
    let smaller = path.with_extension("oz.wasm");
    let mut wasm_opt = Command::new("wasm-opt");
    wasm_opt.args(["-Oz", "-g"]).arg(path).arg("-o").arg(&smaller);
    output(wasm_opt, "npm has it in the package binaryen; put it on PATH")?;
    Ok(smaller)
}

/// The nanoseconds of a call in each of the modules.
fn times(modules: &[&Path]) -> Result<Vec<f64>, Error> {
    let script = modules_folder()?.join("profiles.mjs");
    fs::write(&script, TIMES).map_err(|cause| Error::File { path: script.clone(), cause })?;
    let mut least = vec![f64::INFINITY; modules.len()];
    for _ in 0..ROUNDS {
        for (module, least) in modules.iter().zip(&mut least) {
            let mut node = Command::new("node");
            node.arg(&script).arg(module);
            let text = output(node, "install Node.js of 18 or above")?;
            let time: Result<f64, _> = text.trim().parse();
            let time = time.map_err(|_| Error::Failed { program: "node".to_owned(), output: text })?;
            *least = least.min(time);
        }
    }
    Ok(least)
}

/// What a command says. `remedy` is for whoever does not have it.
fn output(mut command: Command, remedy: &'static str) -> Result<String, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|cause| Error::Tool { program: program.clone(), cause, remedy })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Failed { program, output: String::from_utf8_lossy(&output.stderr).into_owned() })
}

fn modules_folder() -> Result<PathBuf, Error> {
    let folder = target_dir().join("profiles");
    fs::create_dir_all(&folder).map_err(|cause| Error::File { path: folder.clone(), cause })?;
    Ok(folder)
}

// === impl Profile ===

impl Profile {
    /// Builds both modules, and answers where copies of them are.
    fn build(self) -> Result<Vec<PathBuf>, Error> {
        let opt_level = match self.opt_level {
            "3" => "profile.guest.opt-level=3".to_owned(),
            letter => format!("profile.guest.opt-level=\"{letter}\""),
        };
        let mut arguments = vec!["--config", &opt_level];
        if self.talc {
            arguments.extend(["--features", "talc"]);
        }
        let flags: &[&str] =
            if self.aborts_at_once { &["-Zunstable-options", "-Cpanic=immediate-abort"] } else { &[] };
        let modules = &[ALL, TIMED];
        let with_std = self.aborts_at_once;
        let built = Build { arguments: &arguments, flags, with_std, ..Build::of(GUEST, modules) }.run()?;
        let folder = modules_folder()?;
        let name = self.to_string().replace([' ', ','], "-");
        let copy = |module: &&str| {
            let path = folder.join(format!("{name}-{module}.wasm"));
            fs::copy(built.path(module)?, &path)
                .map_err(|cause| Error::File { path: path.clone(), cause })?;
            Ok(path)
        };
        modules.iter().map(copy).collect()
    }

    fn row(self, paths: &[PathBuf], nanoseconds: f64) -> Result<Row, Error> {
        let bytes = |path: &PathBuf| match fs::metadata(path) {
            Ok(known) => Ok(known.len()),
            Err(cause) => Err(Error::File { path: path.clone(), cause }),
        };
        match paths {
            [all, kv] => Ok(Row { profile: self, all: bytes(all)?, kv: bytes(kv)?, nanoseconds }),
            _ => Err(Error::Failed { program: "cargo".to_owned(), output: "not two modules".to_owned() }),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let panic = if self.aborts_at_once { "immediate-abort" } else { "abort" };
        let allocator = if self.talc { "talc" } else { "dlmalloc" };
        let last = if self.wasm_opt { ", wasm-opt" } else { "" };
        write!(f, "{}, {panic}, {allocator}{last}", self.opt_level)
    }
}

/// A table in Markdown.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| opt-level | panic | allocator | wasm-opt | all, B | kv, B | kv.get, ns | ratio |\n\
         |---|---|---|---|---:|---:|---:|---:|\n",
    );
    let first = rows.first().map_or(f64::NAN, |row| row.nanoseconds);
    for Row { profile, all, kv, nanoseconds } in rows {
        let ratio = nanoseconds / first;
        let panic = if profile.aborts_at_once { "immediate-abort" } else { "abort" };
        let allocator = if profile.talc { "talc" } else { "dlmalloc" };
        let wasm_opt = if profile.wasm_opt { "-Oz" } else { "" };
        table += &format!(
            "| {} | {panic} | {allocator} | {wasm_opt} | {all} | {kv} | {nanoseconds:.1} | {ratio:.2} |\n",
            profile.opt_level
        );
    }
    table
}
