//! The format of a run: plan, blocks, and how they are read and written.
//!
//! A run is a directory: `plan.json` (a [`Plan`], written once, before the first block) and `blocks.jsonl` (one
//! [`Block`] a line, appended and fsynced). Times are integers in ns, sizes in bytes. The report is a pure function
//! of this directory. docs/FORMAT.md describes every field.
#![forbid(unsafe_code)]

mod block;
mod cell;
mod directory;
mod error;
pub mod histogram;
mod plan;

pub use block::{Block, Cpu, Measurement, Noise, Outcome};
pub use cell::{Cell, Load, Placement};
pub use directory::{Recorder, Run, read_plan, write_plan};
pub use error::RecordError;
pub use plan::{
    Artifact, Check, CheckOutcome, Claim, Lane, LaneEntry, LoadAverage, Loading, Machine, Plan, Played,
    Portability, Provenance, Section,
};

/// The version of the format. A reader refuses a run of another one.
pub const SCHEMA: u32 = 1;
