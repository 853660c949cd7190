//! Tests of the harness.
mod lanes;
mod order;
mod sockets;
