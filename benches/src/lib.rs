//! The harness: lanes, workloads, loads, preflight, and the run
#![forbid(unsafe_code)]

pub mod cells;
mod children;
pub mod job;
pub mod lane;
pub mod leg;
pub mod order;
pub mod runner;
pub mod sockets;
mod ticker;
