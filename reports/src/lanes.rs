//! The parts that lanes play in the comparison, found by what the plan says of them.

use pillion_records::{Lane, Plan};

/// The lanes by their part.
pub(crate) struct Lanes<'a> {
    /// All but the empty call, in the plan's order.
    pub(crate) contenders: Vec<&'a Lane>,
    /// The empty call.
    pub(crate) noop: Option<&'a Lane>,
    /// Our host.
    pub(crate) host: Option<&'a Lane>,
    /// Native, in process.
    pub(crate) direct: Option<&'a Lane>,
    /// Native beside a sidecar that somebody could ship: each is a candidate for the best one.
    pub(crate) sidecars: Vec<&'a Lane>,
    /// What nobody ships: shown beside the others, and judged by nothing.
    pub(crate) limits: Vec<&'a Lane>,
    /// Native in process, native beside a sidecar, wasm in process, wasm beside a sidecar.
    pub(crate) corners: Option<[&'a Lane; 4]>,
}

// === impl Lanes ===

impl<'a> Lanes<'a> {
    /// The lanes of a plan, without those in `wrong`.
    pub(crate) fn of(plan: &'a Plan, wrong: &[String]) -> Self {
        let right: Vec<&Lane> = plan.lanes.iter().filter(|lane| !wrong.contains(&lane.name)).collect();
        let find = |app: &str, coupling: &str| {
            right.iter().copied().find(|lane| lane.app == app && lane.coupling == coupling)
        };
        // Two lanes run wasm in process, ours and the published engine's.
        let host = right.iter().copied().find(|lane| lane.name == "host");
        let direct = find("native", "in-process");
        let fourth = find("wasm", "sidecar");
        let twin = fourth.and_then(|fourth| {
            right.iter().copied().find(|lane| {
                lane.app == "native"
                    && lane.coupling == "sidecar"
                    && lane.protocol == fourth.protocol
                    && lane.transport == fourth.transport
                    && lane.form == fourth.form
            })
        });
        let corners = match (direct, twin, host, fourth) {
            (Some(direct), Some(twin), Some(host), Some(fourth)) => Some([direct, twin, host, fourth]),
            _ => None,
        };
        let beside = |lane: &&Lane| lane.app == "native" && lane.coupling == "sidecar" && !lane.limit;
        let sidecars = right.iter().copied().filter(beside).collect();
        Self {
            contenders: right.iter().copied().filter(|lane| lane.app != "none").collect(),
            noop: right.iter().copied().find(|lane| lane.app == "none"),
            host,
            direct,
            sidecars,
            limits: right.iter().copied().filter(|lane| lane.limit).collect(),
            corners,
        }
    }
}
