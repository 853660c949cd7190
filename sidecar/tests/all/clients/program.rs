//! Programs in other languages that use Dapr's published clients, and apps written with them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::stage::Stage;

/// A language that Dapr has published a client for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Language {
    Python,
    JavaScript,
}

/// An app that tells, a line of JSON each, what it was asked; it runs until it is dropped.
pub(super) struct Running {
    said: Lines<BufReader<ChildStdout>>,
    _child: Child,
}

// === impl Language ===

impl Language {
    /// Whether its client is there. Where nobody would read that it is not, in CI, that is a failure.
    pub(super) fn is_there(self) -> bool {
        let there = self.interpreter().is_some();
        if !there {
            let missing = format!("{self:?} with Dapr's client is not there; scripts/test brings it");
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            eprintln!("SKIPPED: {missing}");
        }
        there
    }

    /// Runs a program to its end, which must be a good one, and answers what it printed.
    pub(super) async fn run(self, program: &str, stage: &Stage, arguments: &[&str]) -> String {
        let output = self.command(program, stage).args(arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts an app.
    pub(super) fn start(self, program: &str, stage: &Stage, arguments: &[&str]) -> Running {
        let mut command = self.command(program, stage);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Running { said, _child: child }
    }

    fn command(self, program: &str, stage: &Stage) -> Command {
        let (folder, extension) = match self {
            Self::Python => ("python", "py"),
            Self::JavaScript => ("javascript", "js"),
        };
        let file = format!("tests/clients/{folder}/{program}.{extension}");
        let mut command = self.interpreter().unwrap();
        for (variable, _) in std::env::vars_os() {
            if variable.to_str().is_some_and(|name| name.starts_with("DAPR_") || name.starts_with("APP_")) {
                command.env_remove(variable);
            }
        }
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).envs(stage.environment());
        command
    }

    fn interpreter(self) -> Option<Command> {
        let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        let named = |variable: &str, otherwise: &str| {
            std::env::var_os(variable).map_or(target.join(otherwise), PathBuf::from)
        };
        match self {
            Self::Python => {
                let python = named("PILLION_PYTHON", "venv/bin/python");
                python.exists().then(|| Command::new(python))
            }
            Self::JavaScript => {
                let modules = named("PILLION_NODE_MODULES", "node/node_modules");
                modules.join("@dapr/dapr").exists().then(|| {
                    let mut command = Command::new("node");
                    command.env("NODE_PATH", modules);
                    command
                })
            }
        }
    }
}

// === impl Running ===

impl Running {
    /// The next thing that the app tells. Its client may log between.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            let line = self.said.next_line().await.unwrap().expect("the app runs on");
            if let Ok(told @ Value::Object(_)) = serde_json::from_str(&line) {
                return told;
            }
        }
    }

    /// The next things that the app tells, in the order of their texts: events have none of their own.
    pub(super) async fn next_of(&mut self, count: usize) -> Vec<Value> {
        let mut told = Vec::new();
        for _ in 0..count {
            told.push(self.next().await);
        }
        told.sort_by_key(Value::to_string);
        told
    }
}
