//! Lanes as data.

use pillion_records::{Lane, LaneEntry};
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
}

/// All lanes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registry {
    /// The lanes to enter twice, best first.
    pub references: Vec<String>,
    /// The lanes, in the order of reports.
    #[serde(rename = "lane")]
    pub lanes: Vec<LaneSpec>,
}

/// Why lanes could not be chosen.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// The table is damaged.
    #[error("lanes.toml: {0}")]
    Table(#[from] toml::de::Error),
    /// A lane that is not there.
    #[error("there is no lane {name}; `pillion list` shows them: {known}")]
    Unknown {
        /// The name.
        name: String,
        /// All names.
        known: String,
    },
}

/// The name of the reference lane's second entry.
const SECOND: &str = "aa";

fn one() -> u64 {
    1
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

    /// Only the lanes of these names, in the registry's order; all if there are no names.
    ///
    /// # Errors
    /// A name that no lane has.
    pub fn choose(&self, names: &[String]) -> Result<Vec<LaneSpec>, LaneError> {
        for name in names {
            if !self.lanes.iter().any(|spec| spec.lane.name == *name) {
                let known: Vec<_> = self.lanes.iter().map(|spec| spec.lane.name.as_str()).collect();
                return Err(LaneError::Unknown { name: name.clone(), known: known.join(", ") });
            }
        }
        let chosen = self.lanes.iter().filter(|spec| names.is_empty() || names.contains(&spec.lane.name));
        Ok(chosen.cloned().collect())
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

    /// Whether it takes a workload.
    #[must_use]
    pub fn takes(&self, workload: &str) -> bool {
        if self.workloads.is_empty() {
            workload != "noop"
        } else {
            self.workloads.iter().any(|w| w == workload)
        }
    }

    /// What the plan records.
    #[must_use]
    pub fn record(&self) -> Lane {
        let LaneText { name, description, app, coupling, protocol, transport } = self.lane.clone();
        Lane { name, description, app, coupling, protocol, transport }
    }
}
