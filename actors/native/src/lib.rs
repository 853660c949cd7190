//! The apps as a native process: called direct, or beside a sidecar
