//! Cells in words.

use pillion_records::{Cell, Load, Placement};

use crate::results::CellKey;
use crate::words;

// === impl CellKey ===

impl CellKey {
    pub(crate) fn of(cell: &Cell) -> Self {
        Self {
            workload: cell.workload.clone(),
            payload: cell.payload,
            calls: cell.calls,
            provider: cell.provider.clone(),
            placement: placement(cell.placement),
            load: match cell.load {
                Load::Service => "service".to_owned(),
                Load::Throughput { in_flight } => format!("throughput-{in_flight}"),
            },
        }
    }

    pub(crate) fn is_service(&self) -> bool {
        self.load == "service"
    }

    /// `kv-get 16 B`, `chain 16 B, 4 calls`, `compute, 100 rounds`.
    pub(crate) fn subject(&self) -> String {
        let mut text = self.workload.clone();
        match self.workload.as_str() {
            "compute" => text.push_str(&format!(", {} rounds", words::count(self.payload))),
            "noop" => {}
            _ if self.payload > 0 => text.push_str(&format!(" {}", words::payload(self.payload))),
            _ => {}
        }
        match self.calls {
            Some(1) => text.push_str(", 1 call"),
            Some(calls) => text.push_str(&format!(", {calls} calls")),
            None => {}
        }
        text
    }

    /// `memory, same core`.
    pub(crate) fn place(&self) -> String {
        format!("{}, {}", self.provider, self.placement_words())
    }

    pub(crate) fn placement_words(&self) -> &'static str {
        match self.placement {
            "same-core" => "same core",
            "other-core" => "other core",
            _ => "free placement",
        }
    }

    /// `one in flight`, `8 in flight`.
    pub(crate) fn load_words(&self) -> String {
        self.load
            .strip_prefix("throughput-")
            .map_or_else(|| "one in flight".to_owned(), |n| format!("{n} in flight"))
    }

    /// All of it.
    pub(crate) fn words(&self) -> String {
        let load = if self.is_service() { String::new() } else { format!(", {}", self.load_words()) };
        format!("{}, {}{load}", self.subject(), self.place())
    }

    /// Whether a request of the cell reaches the provider at all.
    pub(crate) fn calls_provider(&self) -> bool {
        !matches!(self.workload.as_str(), "noop" | "echo" | "compute") && self.calls != Some(0)
    }
}

fn placement(placement: Placement) -> &'static str {
    match placement {
        Placement::SameCore => "same-core",
        Placement::OtherCore => "other-core",
        Placement::Free => "free",
    }
}
