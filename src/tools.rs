//! The programs that a run needs, and the guest.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use pillion_harness::artifacts;
use pillion_harness::job::Guest;
use pillion_harness::lane::LaneSpec;
use pillion_harness::portability::Modules;
use pillion_records::{Artifact, Loading};
use pillion_transcripts::App;
use serde::Deserialize;

use crate::exit::Refused;

/// The guests that were built, and why others were not.
#[derive(Default)]
pub(crate) struct Guests {
    pub(crate) modules: Vec<Module>,
    /// By language: why there is none, and the remedy.
    pub(crate) missing: Vec<(String, String)>,
}

/// A guest as it was built, and signed for one run.
pub(crate) struct Module {
    pub(crate) language: String,
    /// `all`, or the one app in it.
    pub(crate) app: String,
    pub(crate) unsigned: PathBuf,
    pub(crate) signed: Guest,
}

/// What the builder of guests prints a line of.
#[derive(Deserialize)]
struct Built {
    language: String,
    #[serde(flatten)]
    found: Found,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Found {
    Module { app: String, path: PathBuf },
    Missing { missing: String },
}

/// The module of all apps.
pub(crate) const ALL: &str = "all";
/// The language of the guest that every WebAssembly lane runs unless it says otherwise.
const RUST: &str = "rust";

/// Where the runners are: beside this program, or in `PILLION_BINARIES`.
pub(crate) fn binaries() -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os("PILLION_BINARIES") {
        return Ok(directory.into());
    }
    let own = std::env::current_exe().context("where is this program?")?;
    Ok(own.parent().unwrap_or(Path::new(".")).to_owned())
}

/// The checkout: the nearest directory above the binaries, or else above the working directory, with `claims.toml`.
pub(crate) fn root(binaries: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let found = binaries.ancestors().chain(here.ancestors()).find(|at| at.join("claims.toml").is_file());
    found.unwrap_or(&here).to_owned()
}

/// The programs that the lanes need, all of which must be there.
pub(crate) fn require(binaries: &Path, lanes: &[LaneSpec]) -> Result<Vec<PathBuf>> {
    let mut needed: Vec<&str> = lanes.iter().map(|lane| lane.runner.as_str()).collect();
    if lanes.iter().any(LaneSpec::has_sidecar) {
        needed.push("pillion-sidecar");
    }
    needed.sort_unstable();
    needed.dedup();
    let (there, missing): (Vec<&str>, Vec<&str>) =
        needed.into_iter().partition(|name| binaries.join(name).is_file());
    if missing.is_empty() {
        return Ok(there.into_iter().map(|name| binaries.join(name)).collect());
    }
    bail!(Refused(format!(
        "missing in {}: {}; build by `cargo build --release --workspace --bins --features pillion-sidecar/shared-memory`",
        binaries.display(),
        missing.join(", ")
    )))
}

/// The guests of languages, built if need be, and signed into a directory. `PILLION_GUEST` names the only one instead.
pub(crate) fn guests(binaries: &Path, languages: &[String], directory: &Path) -> Result<Guests> {
    let mut guests = Guests::default();
    if languages.is_empty() {
        return Ok(guests);
    }
    let mut built = Vec::new();
    if let Some(path) = std::env::var_os("PILLION_GUEST") {
        for language in languages {
            let found = if language == RUST {
                Found::Module { app: ALL.to_owned(), path: PathBuf::from(&path) }
            } else {
                Found::Missing { missing: "PILLION_GUEST names the only guest; unset it".to_owned() }
            };
            built.push(Built { language: language.clone(), found });
        }
    } else {
        let mut builder = Command::new(binaries.join("pillion-artifacts"));
        for line in answers(builder.arg("modules").args(languages))?.lines() {
            built.push(
                serde_json::from_str(line).with_context(|| format!("pillion-artifacts said {line:?}"))?,
            );
        }
    }
    let signer = binaries.join("runner-host");
    for Built { language, found } in built {
        match found {
            Found::Missing { missing } => guests.missing.push((language, missing)),
            Found::Module { app, path: unsigned } => {
                let path = directory.join(format!("{language}.{app}.wasm"));
                let issuer = answer(Command::new(&signer).arg("sign").arg(&unsigned).arg(&path))
                    .with_context(|| format!("signing {}", unsigned.display()))?;
                guests.modules.push(Module { language, app, unsigned, signed: Guest { path, issuer } });
            }
        }
    }
    Ok(guests)
}

// === impl Guests ===

impl Guests {
    /// The modules of all apps together.
    pub(crate) fn whole(&self) -> impl Iterator<Item = &Module> {
        self.modules.iter().filter(|module| module.app == ALL)
    }

    /// What is played on every engine: C may leave an app out, and has no module of it then.
    pub(crate) fn played(&self) -> Modules {
        let apps = |language: &str| -> Vec<App> {
            let own: Vec<App> = self
                .modules
                .iter()
                .filter(|module| module.language == language)
                .filter_map(|module| module.app.parse().ok())
                .collect();
            // The one that `PILLION_GUEST` names comes alone.
            if own.is_empty() { App::ALL.to_vec() } else { own }
        };
        let there = self
            .whole()
            .map(|module| (module.language.clone(), module.signed.clone(), apps(&module.language)));
        Modules { there: there.collect(), missing: self.missing.clone() }
    }
}

/// Sizes of what is deployed, as far as the run's lanes use it. `optimize` adds those of modules after `wasm-opt`, which takes
/// a minute and more for all of Go's.
pub(crate) fn sizes(binaries: &Path, root: &Path, guests: &Guests, optimize: bool) -> Result<Vec<Artifact>> {
    let mut sizes = Vec::new();
    for Module { language, app, signed, .. } in &guests.modules {
        let name = if app == ALL { "guest".to_owned() } else { format!("guest {app}") };
        let mut size = artifacts::module(&name, language, &signed.path).map_err(Refused)?;
        size.optimized = if optimize { artifacts::optimized(&signed.path, root) } else { None };
        sizes.push(size);
    }
    for (name, file) in
        [("host", "runner-host"), ("sidecar", "pillion-sidecar"), ("native app", "pillion-native-app")]
    {
        let path = binaries.join(file);
        if path.is_file() {
            sizes.push(artifacts::executable(name, &path).map_err(Refused)?);
        }
    }
    Ok(sizes)
}

/// The last line that a program answers.
fn answer(command: &mut Command) -> Result<String> {
    Ok(answers(command)?.lines().next_back().unwrap_or_default().trim().to_owned())
}

/// All that a program answers.
fn answers(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let out = command.output().map_err(|error| {
        Refused(format!(
            "{program} does not start ({error}); build by `cargo build --release --workspace --bins --features pillion-sidecar/shared-memory`"
        ))
    })?;
    if !out.status.success() {
        bail!(Refused(format!("{program}: {}", String::from_utf8_lossy(&out.stderr).trim())));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Compilers of our host whose loading is looked at.
const COMPILERS: [&str; 3] = ["cranelift", "winch", "pulley"];

/// How long the module of each language takes to load, each time in a process of its own; `times` of them. What a compiler
/// cannot load is left to the transcripts to tell.
pub(crate) fn loading(binaries: &Path, guests: &Guests, times: u32) -> Result<Vec<Loading>> {
    let mut all = Vec::new();
    for module in guests.whole() {
        for compiler in COMPILERS {
            let mut loading = Loading {
                language: module.language.clone(),
                compiler: compiler.to_owned(),
                compiled_ns: Vec::new(),
                cached_ns: Vec::new(),
                first_call_ns: Vec::new(),
            };
            for _ in 0..times {
                let mut loader = Command::new(binaries.join("runner-host"));
                loader.args(["load", compiler, &module.signed.issuer]).arg(&module.signed.path);
                let Ok(figures) = answer(&mut loader) else { break };
                let [compiled, cached, first]: [u64; 3] = serde_json::from_str(&figures)
                    .with_context(|| format!("runner-host said {figures:?}"))?;
                loading.compiled_ns.push(compiled);
                loading.cached_ns.push(cached);
                loading.first_call_ns.push(first);
            }
            if !loading.compiled_ns.is_empty() {
                all.push(loading);
            }
        }
    }
    Ok(all)
}
