//! The official clients, as they are published.

mod javascript;
mod program;
mod python;
mod rust;
mod stage;
