//! Estimates and intervals from blocks.
//!
//! The unit of replication is the process: every figure here starts from one number per round, the statistic of one
//! fresh process, and never from pooled samples. docs/METHOD.md argues for the estimator.
#![forbid(unsafe_code)]

mod bootstrap;
mod effects;
mod rounds;
mod select;
mod slope;
mod student;
mod verdict;

pub use bootstrap::{Bootstrap, Estimate, Interval};
pub use effects::{Effects, Factorial, effects};
pub use rounds::{Rounds, rounds_from_pilot};
pub use select::{Flagged, Statistic, aa_ratios, log_ratios, mean_log_ratios, values};
pub use slope::{Line, least_squares, lines};
pub use student::{t_quantile, two_tails, z_quantile};
pub use verdict::{EQUIVALENCE, Word, holm, margin, word};
