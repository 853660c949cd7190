//! The processes that the harness measures, one binary for each way to run an app
