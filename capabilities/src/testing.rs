//! Real servers for tests, started on a free port with a directory of their own.

mod redis_server;

pub use redis_server::RedisServer;
