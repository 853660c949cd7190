//! Tests of the method itself, and of its parts.
mod coverage;
mod parts;
mod synthetic;
