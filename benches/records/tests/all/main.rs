//! Tests of the format of a run.
mod directory;
mod histogram;
mod sample;
