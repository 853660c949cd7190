//! The official clients, as they are published.

mod javascript;
mod program;
mod python;
mod rust;
mod stage;

pub(crate) use program::Language;
pub(crate) use stage::Stage;
