//! Components: the files that say what stands behind the API.

mod error;
mod files;
mod loader;
mod manifest;
mod open;
mod registry;
mod secret_refs;
mod watch;

pub use error::ComponentError;
pub(crate) use files::files as yaml_files;
pub(crate) use loader::Loader;
pub use manifest::{Manifest, SecretRef, read};
pub use registry::Components;
pub(crate) use registry::{Listed, Named};
pub(crate) use watch::watch;
