//! Actors and clients over the host for tests.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, as tests do")]

mod clients;
mod handlers;
mod store;
// The example as it is: what a reader copies is what is tested.
#[path = "../../examples/visits.rs"]
mod visits;
mod visits_test;
