//! Turns a run directory into `report.html`, `report.md` and `results.json`.
//!
//! A report is a pure function of the run directory: the same `plan.json` and `blocks.jsonl` give the same bytes, so
//! [`check`] proves that a committed report fits its committed data. Nothing here estimates anything: intervals and
//! words come from `pillion_statistics`.
#![forbid(unsafe_code)]

mod assemble;
mod cells;
mod charts;
mod compare;
mod error;
mod files;
mod lanes;
mod literature;
mod markdown;
mod measured;
mod page;
pub mod results;
mod rounding;
mod verdicts;
mod view;
mod words;

pub use error::ReportError;
pub use files::{Summary, check, generate, results, splice, splice_check};
pub use results::{Results, Verdict, Word};
