//! How many rounds: Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time" (2013).

use crate::student::t_quantile;

/// How many rounds, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rounds {
    /// Rounds in all, the pilot's among them.
    pub rounds: u32,
    /// Why, for the plan.
    pub reason: String,
}

/// Rounds that bring the half-width of every pilot series' 95 % interval down to `target` (log scale), never fewer
/// than the pilot's own and never more than `affordable`. Each series holds one number per pilot round.
#[must_use]
pub fn rounds_from_pilot(pilot: &[Vec<f64>], target: f64, affordable: u32) -> Rounds {
    let done = pilot.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let needed = pilot.iter().filter(|series| series.len() > 1).map(|series| needed(series, target)).max();
    let Some(needed) = needed else {
        return Rounds {
            rounds: affordable.max(done),
            reason: "all that the budget affords: no pilot".into(),
        };
    };
    let goal = format!("for a half-width of {:.1} % of every lane's mean over its cells", target * 100.0);
    if needed > affordable.max(done) {
        let rounds = affordable.max(done);
        Rounds {
            rounds,
            reason: format!("capped by the budget: the pilot of {done} asks for {needed} {goal}"),
        }
    } else {
        Rounds { rounds: needed.max(done), reason: format!("from the pilot of {done}, {goal}") }
    }
}

/// The fewest rounds n with t(n − 1) × s / √n ≤ target, up to 1,000.
fn needed(series: &[f64], target: f64) -> u32 {
    let count = series.len() as f64;
    let mean = series.iter().sum::<f64>() / count;
    let deviation = (series.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    (2..1_000)
        .find(|&rounds| {
            let rounds = f64::from(rounds);
            t_quantile(0.975, rounds - 1.0) * deviation / rounds.sqrt() <= target
        })
        .unwrap_or(1_000)
}
