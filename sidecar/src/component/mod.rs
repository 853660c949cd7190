//! Components: the files that say what stands behind the API.

mod documents;
mod error;
mod files;
mod loader;
mod manifest;
mod open;
mod registry;
mod secret_refs;
mod template;
mod watch;

pub(crate) use documents::{Resource, read_text, resources, resources_of};
pub use error::ComponentError;
pub(crate) use loader::Loader;
pub use manifest::{Manifest, SecretRef, parse, read};
pub use registry::Components;
pub(crate) use registry::{Listed, Named};
pub(crate) use watch::watch;
