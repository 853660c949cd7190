//! From a component file to a secret store.

use std::sync::Arc;

use pillion_capabilities::Secrets;
use pillion_capabilities::secrets::{Environment, File, Shape};

use super::Opening;
use crate::component::ComponentError;
use crate::flags::is_true;
use crate::secrets::{Missing, SecretStore};

/// The variables that are the sidecar's own: no app reads them by its secrets, as with Dapr.
const OWN: [&str; 2] = ["APP_API_TOKEN", "DAPR_"];

/// Opens the provider of a component.
pub(super) fn store(opening: &Opening<'_>) -> Result<SecretStore, ComponentError> {
    let manifest = opening.manifest;
    let (provider, missing): (Arc<dyn Secrets>, _) = match manifest.kind.as_str() {
        "secretstores.local.env" => {
            opening.knows(&["prefix"]);
            let prefix = manifest.setting("prefix").unwrap_or_default();
            (Arc::new(Environment::new().with_prefix(prefix).hiding(OWN)), Missing::Empty)
        }
        "secretstores.local.file" => {
            opening.knows(&["secretsFile", "nestedSeparator", "multiValued"]);
            let file = opening.required("secretsFile", "the JSON file with the secrets")?;
            let separator = manifest.setting("nestedSeparator").unwrap_or(":").to_owned();
            let shape =
                Shape { separator, multivalued: manifest.setting("multiValued").is_some_and(is_true) };
            (Arc::new(File::open(file, shape).map_err(|error| opening.failed(error))?), Missing::Failure)
        }
        _ => return Err(opening.unknown()),
    };
    Ok(SecretStore::new(provider, missing))
}
