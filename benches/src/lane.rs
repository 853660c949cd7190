//! Lanes as data.

use pillion_records::{Cell, Lane, LaneEntry, Load, Placement};
use serde::Deserialize;

/// How a lane is run.
#[derive(Clone, Debug, Deserialize)]
pub struct LaneSpec {
    /// What readers of the run see.
    #[serde(flatten)]
    pub lane: LaneText,
    /// The runner's binary, beside `pillion`.
    pub runner: String,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Provider calls for one atomic add.
    #[serde(default = "one")]
    pub calls_per_add: u64,
    /// The only workloads the lane takes; all but `noop` where it is empty.
    #[serde(default)]
    pub workloads: Vec<String>,
    /// The only providers it takes; all where it is empty.
    #[serde(default)]
    pub providers: Vec<String>,
    /// The only placements it makes sense in; all where it is empty.
    #[serde(default)]
    pub placements: Vec<Placement>,
    /// Whether it takes part where no lanes are named.
    #[serde(default = "yes")]
    pub core: bool,
    /// The language that the guest is written in.
    #[serde(default = "rust")]
    pub guest: String,
    /// What makes the guest run in our host; its own choice where it is not given.
    pub compiler: Option<String>,
    /// Whether a quick run takes it, if it takes part where no lanes are named.
    #[serde(default = "yes")]
    pub quick: bool,
    /// How the sidecar runs.
    #[serde(default)]
    pub sidecar: SidecarForm,
    /// Whether the app asks for several keys in one call where its logic needs them together.
    #[serde(default)]
    pub bulk: bool,
    /// Whether the app sends over one HTTP/1.1 connection without waiting for answers.
    #[serde(default)]
    pub pipelined: bool,
}

/// How a lane's sidecar runs, and with it the app's side of their connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct SidecarForm {
    /// Threads of its executor: one for service time and all CPUs for throughput where it is not given.
    pub threads: Option<Threads>,
    /// Whether both ends poll without pause instead of sleeping until there is something to read.
    pub busy_poll: bool,
}

/// Threads of an executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threads {
    /// One, on which everything runs.
    One,
    /// As many as there are CPUs, which steal work from each other.
    All,
}

/// What the record says about a lane.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "see the fields of the same names in pillion_records::Lane")]
pub struct LaneText {
    pub name: String,
    pub description: String,
    pub app: String,
    pub coupling: String,
    pub protocol: Option<String>,
    pub transport: Option<String>,
    pub form: Option<String>,
    #[serde(default)]
    pub limit: bool,
}

/// All lanes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// The lanes to enter twice, best first.
    pub references: Vec<String>,
    /// The lanes on which transcripts are played.
    #[serde(default)]
    pub transcripts: Vec<String>,
    /// Programs of others that play them too.
    #[serde(rename = "program", default)]
    pub programs: Vec<Program>,
    /// The lanes, in the order of reports.
    #[serde(rename = "lane")]
    pub lanes: Vec<LaneSpec>,
}

/// A program of others that plays transcripts on an engine of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// The engine's name in records.
    pub name: String,
    /// How it is started, from the checkout.
    pub command: Vec<String>,
}

/// Why lanes could not be chosen.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The table is damaged.
    #[error("lanes.toml: {0}")]
    Table(#[from] toml::de::Error),
    /// A lane that is not there.
    #[error("there is no lane {name}; `pillion list` shows them: all, core, {known}")]
    Unknown {
        /// The name.
        name: String,
        /// All names.
        known: String,
    },
}

/// The name of the reference lane's second entry.
const SECOND: &str = "aa";

/// The word for every lane.
const ALL: &str = "all";
/// The word for the lanes that take part where none are named.
const CORE: &str = "core";

fn rust() -> String {
    "rust".to_owned()
}

fn one() -> u64 {
    1
}

fn yes() -> bool {
    true
}

// === impl Registry ===

impl Registry {
    /// The lanes that are compiled in from `lanes.toml`.
    ///
    /// # Errors
    /// The table is damaged.
    pub fn built_in() -> Result<Self, LaneError> {
        Ok(toml::from_str(include_str!("../lanes.toml"))?)
    }

    /// Only the lanes of these names, in the registry's order. `all` stands for every lane, `core` for those that take
    /// part where there are no names. A quick run leaves out more of them.
    ///
    /// # Errors
    /// A name that no lane has.
    pub fn choose(&self, names: &[String], quick: bool) -> Result<Vec<LaneSpec>, LaneError> {
        let known = |name: &String| {
            [ALL, CORE].contains(&name.as_str()) || self.lanes.iter().any(|spec| spec.lane.name == *name)
        };
        if let Some(name) = names.iter().find(|name| !known(name)) {
            let known: Vec<_> = self.lanes.iter().map(|spec| spec.lane.name.as_str()).collect();
            return Err(LaneError::Unknown { name: name.clone(), known: known.join(", ") });
        }
        let named = |name: &str| names.iter().any(|given| given == name);
        let core = names.is_empty() || named(CORE);
        let takes = |spec: &LaneSpec| spec.core && (spec.quick || !quick);
        let chosen = |spec: &&LaneSpec| named(ALL) || core && takes(spec) || named(&spec.lane.name);
        Ok(self.lanes.iter().filter(chosen).cloned().collect())
    }

    /// Whether the names stand for all lanes or for the core.
    #[must_use]
    pub fn is_whole(&self, names: &[String]) -> bool {
        names.is_empty() || names.iter().any(|name| [ALL, CORE].contains(&name.as_str()))
    }

    /// The lanes on which transcripts are played.
    #[must_use]
    pub fn players(&self) -> Vec<LaneSpec> {
        self.lanes.iter().filter(|spec| self.transcripts.contains(&spec.lane.name)).cloned().collect()
    }

    /// The entries of a round: every lane, and the reference lane once more.
    #[must_use]
    pub fn entries(&self, lanes: &[LaneSpec]) -> Vec<LaneEntry> {
        let entry = |entry: &str, lane: &str| LaneEntry { entry: entry.into(), lane: lane.into() };
        let mut entries: Vec<_> = lanes.iter().map(|spec| entry(&spec.lane.name, &spec.lane.name)).collect();
        let reference = self.references.iter().find(|name| lanes.iter().any(|spec| spec.lane.name == **name));
        if let Some(reference) = reference.or(lanes.first().map(|spec| &spec.lane.name)) {
            entries.push(entry(SECOND, reference));
        }
        entries
    }
}

// === impl LaneSpec ===

impl LaneSpec {
    /// Whether a sidecar stands beside the runner.
    #[must_use]
    pub fn has_sidecar(&self) -> bool {
        self.lane.coupling == "sidecar"
    }

    /// Whether it runs the guest.
    #[must_use]
    pub fn has_guest(&self) -> bool {
        self.lane.app == "wasm"
    }

    /// Whether it takes a cell.
    #[must_use]
    pub fn takes(&self, cell: &Cell) -> bool {
        let workload = if self.workloads.is_empty() {
            cell.workload != "noop"
        } else {
            self.workloads.contains(&cell.workload)
        };
        let provider = self.providers.is_empty() || self.providers.contains(&cell.provider);
        workload && provider && (self.placements.is_empty() || self.placements.contains(&cell.placement))
    }

    /// Threads of the sidecar's executor for a kind of load.
    #[must_use]
    pub fn sidecar_threads(&self, load: Load, cpus: usize) -> usize {
        match (self.sidecar.threads, load) {
            (Some(Threads::One), _) | (None, Load::Service) => 1,
            (Some(Threads::All), _) | (None, Load::Throughput { .. }) => cpus,
        }
    }

    /// What the plan records.
    #[must_use]
    pub fn record(&self) -> Lane {
        let LaneText { name, description, app, coupling, protocol, transport, form, limit } =
            self.lane.clone();
        let language = (self.has_guest() && self.guest != rust()).then(|| self.guest.clone());
        Lane { name, description, app, coupling, protocol, transport, form, language, limit }
    }
}
