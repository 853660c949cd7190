//! The harness: lanes, workloads, loads, preflight, and the run

pub mod artifacts;
pub mod cells;
mod children;
pub mod claims;
pub mod job;
pub mod lane;
pub mod leg;
pub mod machine;
pub mod order;
pub mod portability;
pub mod preflight;
pub mod provenance;
pub mod run;
pub mod runner;
pub mod sockets;
mod ticker;
