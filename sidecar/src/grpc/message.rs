//! Messages that differ from the generated ones in Rust, not on the wire.

pub use pillion_calls::GetStateResponse;
