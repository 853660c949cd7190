//! The hierarchical bootstrap: sessions, then rounds.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::student::{t_quantile, two_tails, z_quantile};

/// How an interval is made: how often it resamples, and from which seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Resamples.
    pub resamples: usize,
    /// The seed: the same data and seed give the same interval, bit for bit.
    pub seed: u64,
}

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The mean over rounds with its 95 % interval, on the scale of the data (log scale, for ratios).
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The mean and its interval.
    pub interval: Interval,
    /// Rounds that it rests on.
    pub rounds: usize,
    /// For tests against a threshold.
    variance: Variance,
}

/// What is known of the variance of the mean of all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Variance {
    mean: f64,
    variance: f64,
    degrees: f64,
}

// === impl Interval ===

impl Interval {
    /// Back from the log scale: a ratio with its interval.
    #[must_use]
    pub fn exp(self) -> Self {
        Self { value: self.value.exp(), low: self.low.exp(), high: self.high.exp() }
    }

    /// Half of the interval's width.
    #[must_use]
    pub fn half_width(self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether a value lies within.
    #[must_use]
    pub fn contains(self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

// === impl Estimate ===

impl Estimate {
    /// The two-sided p-value of the hypothesis that the true mean is `threshold`, by Student's distribution. The
    /// resamples would not do: of a handful of rounds they have no tails where a test of many cells asks.
    #[must_use]
    pub fn p_value(&self, threshold: f64) -> f64 {
        let Variance { mean, variance, degrees } = self.variance;
        let distance = mean - threshold;
        if distance == 0.0 { 1.0 } else { two_tails(distance / variance.sqrt(), degrees) }
    }
}

// === impl Bootstrap ===

impl Bootstrap {
    /// 10,000 resamples from a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { resamples: 10_000, seed }
    }

    /// The mean of `sessions` (each a list of rounds) with its 95 % interval; `None` for fewer than two rounds.
    ///
    /// Sessions are drawn with replacement, then rounds within each. A plain percentile interval covers too little
    /// with few rounds, since the bootstrap's variance is that of the data and not the unbiased one, and since its
    /// tails are normal. So the distances from the mean are scaled by `t / z × √(unbiased / bootstrap variance)`;
    /// the bootstrap still gives the shape.
    #[must_use]
    pub fn mean(&self, sessions: &[Vec<f64>]) -> Option<Estimate> {
        let sessions: Vec<&[f64]> = sessions.iter().map(Vec::as_slice).filter(|s| !s.is_empty()).collect();
        let rounds: usize = sessions.iter().map(|session| session.len()).sum();
        let known = variance(&sessions)?;
        let Variance { mean, variance, degrees } = known;

        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut draw = |below: usize| ((u64::from(random.random::<u32>()) * below as u64) >> 32) as usize;
        let mut resampled: Vec<f64> = (0..self.resamples)
            .map(|_| {
                let (mut sum, mut count) = (0.0, 0);
                for _ in 0..sessions.len() {
                    let session =
                        if sessions.len() == 1 { sessions[0] } else { sessions[draw(sessions.len())] };
                    count += session.len();
                    for _ in 0..session.len() {
                        sum += session[draw(session.len())];
                    }
                }
                sum / count as f64
            })
            .collect();
        resampled.sort_by(f64::total_cmp);

        let spread =
            resampled.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / resampled.len() as f64;
        let scale = if spread > 0.0 {
            t_quantile(0.975, degrees) / z_quantile(0.975) * (variance / spread).sqrt()
        } else {
            1.0
        };
        let at = |share: f64| {
            let resampled = resampled[((resampled.len() - 1) as f64 * share).round() as usize];
            mean + (resampled - mean) * scale
        };
        Some(Estimate {
            interval: Interval { value: mean, low: at(0.025), high: at(0.975) },
            rounds,
            variance: known,
        })
    }
}

/// The unbiased variance of the mean of all rounds, and its degrees of freedom.
///
/// Sessions that differ by more than their rounds explain (F > 1) are the unit: few sessions then give a wide
/// interval, as they must. Otherwise the rounds are, pooled over sessions.
fn variance(sessions: &[&[f64]]) -> Option<Variance> {
    let rounds: usize = sessions.iter().map(|session| session.len()).sum();
    if rounds < 2 {
        return None;
    }
    let mean = sessions.iter().copied().flatten().sum::<f64>() / rounds as f64;
    let own = |session: &[f64]| session.iter().sum::<f64>() / session.len() as f64;
    let count = sessions.len() as f64;

    let squares: f64 = sessions
        .iter()
        .map(|session| {
            let own = own(session);
            session.iter().map(|value| (value - own).powi(2)).sum::<f64>()
        })
        .sum();
    let freedom = (rounds - sessions.len()) as f64;
    let within = if freedom > 0.0 { squares / freedom } else { 0.0 };

    if sessions.len() > 1 {
        let centre = sessions.iter().map(|session| own(session)).sum::<f64>() / count;
        let spread =
            sessions.iter().map(|session| (own(session) - centre).powi(2)).sum::<f64>() / (count - 1.0);
        let explained = sessions.iter().map(|session| within / session.len() as f64).sum::<f64>() / count;
        if spread > explained {
            let shares = sessions.iter().map(|session| (session.len() as f64 / rounds as f64).powi(2));
            return Some(Variance { mean, variance: spread * shares.sum::<f64>(), degrees: count - 1.0 });
        }
    }
    Some(Variance { mean, variance: within / rounds as f64, degrees: freedom })
}
