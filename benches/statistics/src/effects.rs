//! The 2 × 2 factorial, app {native, wasm} × coupling {in process, sidecar}, on the log scale.

use std::collections::BTreeMap;

use crate::select::by_session;
use crate::{Bootstrap, Estimate};

/// A statistic by session and round, for each of the four combinations.
#[derive(Clone, Debug, Default)]
pub struct Factorial {
    /// Native, in process.
    pub native_in_process: BTreeMap<(u32, u32), f64>,
    /// WebAssembly, in process.
    pub wasm_in_process: BTreeMap<(u32, u32), f64>,
    /// Native, beside a sidecar.
    pub native_sidecar: BTreeMap<(u32, u32), f64>,
    /// WebAssembly, beside a sidecar.
    pub wasm_sidecar: BTreeMap<(u32, u32), f64>,
}

/// Effects on the log scale: [`Interval::exp`](crate::Interval::exp) makes factors of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Effects {
    /// The sandbox: wasm over native, averaged over both couplings.
    pub sandbox: Estimate,
    /// The hop: sidecar over in process, averaged over both apps.
    pub hop: Estimate,
    /// The interaction: how much the hop's factor differs for wasm from that for native; 0 where costs multiply.
    pub interaction: Estimate,
}

/// The effects over the rounds that all four have; `None` for fewer than two.
#[must_use]
pub fn effects(factorial: &Factorial, bootstrap: &Bootstrap) -> Option<Effects> {
    let mut rounds = Vec::new();
    for (at, native) in &factorial.native_in_process {
        let others = [&factorial.wasm_in_process, &factorial.native_sidecar, &factorial.wasm_sidecar];
        if let [Some(wasm), Some(native_sidecar), Some(wasm_sidecar)] = others.map(|cell| cell.get(at)) {
            rounds.push((*at, [native.ln(), wasm.ln(), native_sidecar.ln(), wasm_sidecar.ln()]));
        }
    }
    let estimate = |contrast: fn([f64; 4]) -> f64| {
        bootstrap.mean(&by_session(rounds.iter().map(|&(at, logs)| (at, contrast(logs)))))
    };
    Some(Effects {
        sandbox: estimate(|[n, w, ns, ws]| f64::midpoint(w - n, ws - ns))?,
        hop: estimate(|[n, w, ns, ws]| f64::midpoint(ns - n, ws - w))?,
        interaction: estimate(|[n, w, ns, ws]| (ws - w) - (ns - n))?,
    })
}
