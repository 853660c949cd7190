//! Clients that mean harm, or are broken: what they get, and that nobody else notices.

mod heads;
mod listening;
mod raw;
