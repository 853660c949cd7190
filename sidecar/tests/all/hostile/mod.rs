//! Clients that mean harm, or are broken: what they get, and that nobody else notices.

mod connections;
mod heads;
mod http2;
mod listening;
mod messages;
mod raw;
