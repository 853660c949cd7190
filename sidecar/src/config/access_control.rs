//! `spec.accessControl`: who may call what of the app.

use super::{Config, ConfigError};
use crate::invoke::Access;

/// The policies, if there are any.
///
/// # Errors
/// A policy that is not complete.
pub(super) fn access(config: &Config) -> Result<Option<Access>, ConfigError> {
    let Some(said) = &config.access_control else { return Ok(None) };
    Access::new(&said.value).map_err(|message| ConfigError::Wrong {
        place: format!("{}: spec.accessControl", said.file.display()),
        message,
    })
}
