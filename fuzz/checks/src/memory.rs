//! Guests whose pointers and lengths are anything.

mod guest;
mod model;
mod script;

pub use guest::memory;
