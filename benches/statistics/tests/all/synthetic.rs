//! Synthetic runs with known answers.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Draws runs: log ratios by session and round.
pub(crate) struct Synthetic {
    pub(crate) random: ChaCha8Rng,
    /// The true mean.
    pub(crate) mean: f64,
    /// Standard deviation between rounds of a session.
    pub(crate) rounds: f64,
    /// Standard deviation between sessions.
    pub(crate) sessions: f64,
    /// Rounds that a disturbance makes longer, as a share; it strikes both sides of a pair alike.
    pub(crate) outliers: f64,
}

// === impl Synthetic ===

impl Synthetic {
    pub(crate) fn new(seed: u64, mean: f64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), mean, rounds: 0.03, sessions: 0.0, outliers: 0.0 }
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        let (a, b): (f64, f64) = (1.0 - self.random.random::<f64>(), self.random.random());
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    pub(crate) fn run(&mut self, sessions: usize, rounds: usize) -> Vec<Vec<f64>> {
        (0..sessions)
            .map(|_| {
                let centre = self.mean + self.sessions * self.normal();
                (0..rounds)
                    .map(|_| {
                        let mut value = centre + self.rounds * self.normal();
                        if self.random.random::<f64>() < self.outliers {
                            value += if self.random.random() { 0.1 } else { -0.1 };
                        }
                        value
                    })
                    .collect()
            })
            .collect()
    }
}
