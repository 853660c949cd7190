//! The published waPC engine over our providers: a reference lane.
//!
//! Only the engine differs from pillion's host: the module's identity, the bindings, the dispatch and the providers are
//! the very same. It is the crate `wapc` with `wasmtime-provider`, in its synchronous form, which is the faster: the
//! module is compiled once, its instance stays, and neither deadline nor memory limit is asked of it, though ours has
//! both.

mod app;
mod block_on;
mod published;

pub use app::{OpenPublished, PublishedApp};
pub use published::{PublishedError, PublishedHost};
