//! The same signed bytes on every engine: transcripts, before anything is timed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pillion_records::{Played, Portability};
use pillion_transcripts::{App, Outcome, Transcript, TranscriptError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::children::Guarded;
use crate::job::Guest;
use crate::lane::{LaneSpec, Program};
use crate::leg::Workshop;

/// What is played: the guests by language, and why others are missing.
#[derive(Clone, Debug, Default)]
pub struct Modules {
    /// By language: the signed module of all apps, and the apps that are in it.
    pub there: Vec<(String, Guest, Vec<App>)>,
    /// By language: why there is none, and the remedy.
    pub missing: Vec<(String, String)>,
}

/// The language of the native app.
const NATIVE: &str = "rust";

/// How long a program of others may take for one module and app: a page has to start a browser first.
const PATIENCE: Duration = Duration::from_secs(90);

/// Plays every transcript on every lane that is named, and on the programs of others.
///
/// # Errors
/// A stored transcript is damaged.
pub fn play(
    workshop: &Workshop,
    lanes: &[LaneSpec],
    programs: &[Program],
    modules: &Modules,
    root: &Path,
) -> Result<Vec<Portability>, TranscriptError> {
    let mut rows = Vec::new();
    let all =
        App::ALL.map(|app| Transcript::stored(app).map(|stored| (app, stored.expected().outcome().sha256)));
    let expected = Expected(all.into_iter().collect::<Result<_, _>>()?);
    for lane in lanes {
        let engine = Engine { name: &lane.lane.name, version: None };
        if !lane.has_guest() {
            let played = workshop.play(lane, &App::ALL);
            rows.extend(expected.rows(&engine, NATIVE, None, &App::ALL, &played));
            continue;
        }
        for (language, guest, apps) in &modules.there {
            let mut lane = lane.clone();
            lane.guest.clone_from(language);
            let played = workshop.play(&lane, apps);
            rows.extend(expected.rows(&engine, language, hash(&guest.path).as_deref(), apps, &played));
        }
    }
    for program in programs {
        rows.extend(by_others(program, modules, &expected, root));
    }
    let names = lanes.iter().filter(|lane| lane.has_guest()).map(|lane| &lane.lane.name);
    for name in names.chain(programs.iter().map(|program| &program.name)) {
        for (language, reason) in &modules.missing {
            let engine = Engine { name, version: None };
            let left_out = Played::LeftOut { reason: reason.clone() };
            rows.extend(App::ALL.map(|app| expected.row(&engine, language, None, app, left_out.clone())));
        }
    }
    Ok(rows)
}

/// The hash that each app's transcript asks for.
struct Expected(Vec<(App, String)>);

struct Engine<'a> {
    name: &'a str,
    version: Option<String>,
}

// === impl Expected ===

impl Expected {
    fn row(
        &self,
        engine: &Engine<'_>,
        language: &str,
        sha256: Option<String>,
        app: App,
        outcome: Played,
    ) -> Portability {
        let expected = self.0.iter().find(|(name, _)| *name == app);
        Portability {
            language: language.to_owned(),
            sha256,
            engine: engine.name.to_owned(),
            version: engine.version.clone(),
            app: app.name().to_owned(),
            expected: expected.map(|(_, hash)| hash.clone()).unwrap_or_default(),
            outcome,
        }
    }

    fn rows(
        &self,
        engine: &Engine<'_>,
        language: &str,
        sha256: Option<&str>,
        apps: &[App],
        played: &Result<Vec<(App, Outcome)>, String>,
    ) -> Vec<Portability> {
        let outcome = |app: App| match played {
            Ok(outcomes) => outcomes.iter().find(|(name, _)| *name == app).map_or_else(
                || Played::Failed { reason: "there was no answer for this app".to_owned() },
                |(_, outcome)| told(outcome),
            ),
            Err(reason) => Played::Failed { reason: reason.clone() },
        };
        let row = |&app: &App| self.row(engine, language, sha256.map(str::to_owned), app, outcome(app));
        apps.iter().map(row).collect()
    }
}

fn told(outcome: &Outcome) -> Played {
    match &outcome.difference {
        None => Played::Same { steps: outcome.steps },
        Some(difference) => {
            Played::Different { transcript: outcome.sha256.clone(), difference: difference.clone() }
        }
    }
}

/// A file that cannot be read has no hash; whoever plays it says so.
fn hash(path: &Path) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    Some(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What a program of others is told.
#[derive(Serialize)]
struct Order<'a> {
    modules: Vec<ModuleOrder<'a>>,
    transcripts: PathBuf,
}

#[derive(Serialize)]
struct ModuleOrder<'a> {
    path: &'a Path,
    apps: &'a [App],
}

/// What it answers, a line each.
#[derive(Deserialize)]
#[serde(untagged)]
enum Said {
    Engine {
        engine: String,
    },
    Failed {
        path: PathBuf,
        app: App,
        failed: String,
    },
    Outcome {
        path: PathBuf,
        app: App,
        #[serde(flatten)]
        outcome: Outcome,
    },
}

/// Has a program of others play all modules.
fn by_others(program: &Program, modules: &Modules, expected: &Expected, root: &Path) -> Vec<Portability> {
    let mut engine = Engine { name: &program.name, version: None };
    let mut answers: Vec<(PathBuf, App, Played)> = Vec::new();
    let ended = ask(program, modules, root, &mut |said| match said {
        Said::Engine { engine: version } => engine.version = Some(version),
        Said::Failed { path, app, failed } => answers.push((path, app, Played::Failed { reason: failed })),
        Said::Outcome { path, app, outcome } => answers.push((path, app, told(&outcome))),
    });
    let missing = match ended {
        // It says itself what it lacks and how to get it.
        Err(End::Lacks(reason)) => Played::LeftOut { reason },
        Err(End::Broken(reason)) => Played::Failed { reason },
        Ok(()) => Played::Failed { reason: "there was no answer for this app".to_owned() },
    };
    let mut rows = Vec::new();
    for (language, guest, apps) in &modules.there {
        for &app in apps {
            let found = answers.iter().find(|(path, name, _)| *path == guest.path && *name == app);
            let outcome = found.map_or_else(|| missing.clone(), |(_, _, played)| played.clone());
            rows.push(expected.row(&engine, language, hash(&guest.path), app, outcome));
        }
    }
    rows
}

/// How a program of others ended before its time.
enum End {
    Lacks(String),
    Broken(String),
}

/// The exit code by which a program of others says that something it needs is not there.
const LACKS: i32 = 3;

fn ask(program: &Program, modules: &Modules, root: &Path, hear: &mut dyn FnMut(Said)) -> Result<(), End> {
    let broken = |reason: String| End::Broken(reason);
    let [name, arguments @ ..] = program.command.as_slice() else {
        return Err(End::Broken(format!("{} has no command", program.name)));
    };
    let directory =
        tempfile::tempdir().map_err(|error| broken(format!("no temporary directory: {error}")))?;
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root);
    let mut child = Guarded::spawn(command, &program.name, directory.path()).map_err(End::Lacks)?;
    let order = Order {
        modules: modules
            .there
            .iter()
            .map(|(_, guest, apps)| ModuleOrder { path: &guest.path, apps })
            .collect(),
        transcripts: root.join("actors/transcripts/files"),
    };
    let order = serde_json::to_string(&order).map_err(|error| broken(error.to_string()))?;
    if let Some(input) = child.stdin() {
        // One that ended is told apart by what it answers, or fails to.
        let _ = writeln!(input, "{order}").and_then(|()| input.flush());
    }
    let mut left: usize = modules.there.iter().map(|(_, _, apps)| apps.len()).sum();
    while left > 0 {
        let line = match child.line(PATIENCE) {
            Ok(line) => line,
            Err(reason) if child.code() == Some(LACKS) => return Err(End::Lacks(reason)),
            Err(reason) => return Err(End::Broken(reason)),
        };
        let said = serde_json::from_str(&line)
            .map_err(|error| broken(format!("{} said {line:?}: {error}", program.name)))?;
        left -= usize::from(!matches!(said, Said::Engine { .. }));
        hear(said);
    }
    Ok(())
}
