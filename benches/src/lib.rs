//! The harness: lanes, workloads, loads, preflight, and the run
