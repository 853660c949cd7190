//! Real servers for tests, started on a free port with a directory of their own.

mod collector;
mod nats_server;
mod process;
mod redis_server;

pub use collector::{CollectedSpan, Collector};
pub use nats_server::NatsServer;
pub use redis_server::RedisServer;
