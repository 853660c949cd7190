//! One leg: the fresh processes of one lane in one round, for one kind of load.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use pillion_records::{Cell, Load, Placement};
use pillion_transcripts::{App, Outcome};

use crate::children::{Guarded, SidecarOptions, redis, sidecar};
use crate::job::{CellReply, GO, Guest, Job, Process, Reply, Store};
use crate::lane::LaneSpec;
use crate::sockets::{Sockets, inspect};

/// What all legs of a run share.
#[derive(Clone, Debug)]
pub struct Workshop {
    /// Where the binaries are.
    pub binaries: PathBuf,
    /// The CPUs that may be used.
    pub cpus: Vec<usize>,
    /// The signed guests of all apps together, by language, as far as lanes need them.
    pub guests: BTreeMap<String, Guest>,
    /// What outlives a process: compiled modules.
    pub cache: PathBuf,
    /// The seed of all requests.
    pub seed: u64,
    /// The measured time of a block in ns.
    pub block_ns: u64,
}

/// What was seen when all processes of a leg stood connected.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The programs that were built without optimization.
    pub debug: Vec<String>,
    /// The TCP connections of each process, or why they could not be looked at.
    pub sockets: Vec<(String, Result<Sockets, String>)>,
}

/// Beyond warm-up and measured time, what a cell may take: opening stores, verifying slow lanes.
const PATIENCE: Duration = Duration::from_secs(30);

const OUT_OF_TURN: &str = "the runner said something that it was not asked";

// === impl Workshop ===

impl Workshop {
    /// Starts the processes, and answers what was seen of them without measuring anything.
    ///
    /// # Errors
    /// A process does not start or does not connect.
    pub fn probe(&self, lane: &LaneSpec, cells: &[Cell]) -> Result<Standing, String> {
        let (_, standing, _others, _directory) = self.start(lane, cells, &[], true)?;
        Ok(standing)
    }

    /// Measures cells of one kind of load; hands over each as it is done.
    ///
    /// # Errors
    /// A process did not start, ended, or gave no answer. Cells handed over before stand.
    pub fn measure(
        &self,
        lane: &LaneSpec,
        cells: &[Cell],
        mut done: impl FnMut(CellReply),
    ) -> Result<(), String> {
        let (mut runner, _, _others, _directory) = self.start(lane, cells, &[], false)?;
        say(&mut runner, GO)?;
        let patience = PATIENCE + Duration::from_nanos(self.block_ns) * 4;
        for _ in cells {
            match parse(&runner.line(patience)?)? {
                Reply::Cell(cell) => {
                    let last = matches!(cell.outcome, pillion_records::Outcome::Wrong { .. });
                    done(*cell);
                    if last {
                        break;
                    }
                }
                Reply::Fatal { reason } => return Err(reason),
                Reply::Ready { .. } | Reply::Transcript { .. } => return Err(OUT_OF_TURN.into()),
            }
        }
        Ok(())
    }

    /// Plays the transcripts of apps over a store in memory.
    ///
    /// # Errors
    /// A process did not start, ended, or gave no answer.
    pub fn play(&self, lane: &LaneSpec, apps: &[App]) -> Result<Vec<(App, Outcome)>, String> {
        let store = Cell {
            workload: "transcript".into(),
            payload: 0,
            calls: None,
            provider: "memory".into(),
            placement: Placement::Free,
            load: Load::Service,
        };
        let (mut runner, _, _others, _directory) = self.start(lane, &[store], apps, false)?;
        let mut outcomes = Vec::new();
        for _ in apps {
            match parse(&runner.line(PATIENCE)?)? {
                Reply::Transcript { app, outcome } => outcomes.push((app, outcome)),
                Reply::Fatal { reason } => return Err(reason),
                Reply::Ready { .. } | Reply::Cell(_) => return Err(OUT_OF_TURN.into()),
            }
        }
        Ok(outcomes)
    }

    fn start(
        &self,
        lane: &LaneSpec,
        cells: &[Cell],
        transcripts: &[App],
        look: bool,
    ) -> Result<(Guarded, Standing, Vec<Guarded>, tempfile::TempDir), String> {
        let directory = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        let at = directory.path();
        let (mut others, mut processes, mut stores) = (Vec::new(), Vec::new(), Vec::<Store>::new());
        for cell in cells {
            if stores.iter().any(|store| store.provider == cell.provider) {
                continue;
            }
            let address = match cell.provider.as_str() {
                "redis" => {
                    let (server, address) = redis(at)?;
                    let provider = Some(cell.provider.clone());
                    processes.push(Process { role: "provider".into(), pid: server.pid(), provider });
                    others.push(server);
                    address
                }
                "redb" => at.join("store.redb").display().to_string(),
                _ => String::new(),
            };
            stores.push(Store { provider: cell.provider.clone(), address });
        }
        let (mut endpoints, mut debug) = (None, Vec::new());
        if lane.has_sidecar() {
            let load = cells.first().map_or(Load::Service, |cell| cell.load);
            let options = SidecarOptions {
                threads: lane.sidecar_threads(load, self.cpus.len()),
                sockets: lane.lane.transport.as_deref() == Some("uds"),
                shared_memory: lane.lane.transport.as_deref() == Some("memory"),
                busy_poll: lane.sidecar.busy_poll,
            };
            let binary = self.binaries.join("pillion-sidecar");
            let (process, found) = sidecar(&binary, &stores, options, at)?;
            processes.insert(0, Process { role: "sidecar".into(), pid: process.pid(), provider: None });
            others.push(process);
            if !found.release {
                debug.push("pillion-sidecar".to_owned());
            }
            endpoints = Some(found);
        }
        let job = Job {
            lane: lane.lane.name.clone(),
            cells: if transcripts.is_empty() { cells.to_vec() } else { Vec::new() },
            block_ns: self.block_ns,
            seed: self.seed,
            cpus: self.cpus.clone(),
            processes,
            stores,
            sidecar: endpoints,
            protocol: lane.lane.protocol.clone(),
            transport: lane.lane.transport.clone(),
            busy_poll: lane.sidecar.busy_poll,
            bulk: lane.bulk,
            pipelined: lane.pipelined,
            guest: if lane.has_guest() { self.guests.get(&lane.guest).cloned() } else { None },
            compiler: lane.compiler.clone(),
            transcripts: transcripts.to_vec(),
            calls_per_add: lane.calls_per_add,
            cache: self.cache.clone(),
        };
        let mut command = Command::new(self.binaries.join(&lane.runner));
        command.args(&lane.args);
        let mut runner = Guarded::spawn(command, &lane.runner, at)?;
        say(&mut runner, &serde_json::to_string(&job).map_err(|error| error.to_string())?)?;
        match parse(&runner.line(PATIENCE)?)? {
            Reply::Ready { release: true } => {}
            Reply::Ready { release: false } => debug.push(lane.runner.clone()),
            Reply::Fatal { reason } => return Err(reason),
            Reply::Cell(_) | Reply::Transcript { .. } => return Err(OUT_OF_TURN.into()),
        }
        let mut sockets = Vec::new();
        if look {
            sockets.push(("app".to_owned(), inspect(runner.pid())));
            let others = job.processes.iter().map(|process| (process.role.clone(), inspect(process.pid)));
            sockets.extend(others);
        }
        Ok((runner, Standing { debug, sockets }, others, directory))
    }
}

fn say(runner: &mut Guarded, line: &str) -> Result<(), String> {
    let Some(input) = runner.stdin() else { return Err("the runner's input is closed".into()) };
    // A runner that ended is told apart by what it answers, or fails to.
    let _ = writeln!(input, "{line}").and_then(|()| input.flush());
    Ok(())
}

fn parse(line: &str) -> Result<Reply, String> {
    serde_json::from_str(line).map_err(|error| format!("the runner said {line:?}: {error}"))
}
