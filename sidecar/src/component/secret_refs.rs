//! Settings whose values are secrets.

use std::path::Path;
use std::sync::Arc;

use pillion_capabilities::secrets::ExposeSecret;

use super::{ComponentError, Manifest, Named, SecretRef};
use crate::secrets::SecretStore;

/// The component with the values of its secrets, which are looked up in stores that are open already.
///
/// # Errors
/// A store or a secret that is not there.
pub(super) async fn resolved(
    manifest: &Manifest,
    file: &Path,
    stores: &Named<SecretStore>,
) -> Result<Manifest, ComponentError> {
    let mut resolved = manifest.clone();
    for reference in resolved.secret_refs.drain(..) {
        let wrong = |reason: String| ComponentError::Setting {
            file: file.to_owned(),
            name: manifest.name.clone(),
            message: format!("setting {}: secretKeyRef {reason}", reference.setting),
        };
        let value = look_up(&reference, &manifest.secret_store, stores).await.map_err(wrong)?;
        resolved.settings.push((reference.setting.clone(), value));
    }
    Ok(resolved)
}

async fn look_up(reference: &SecretRef, store: &str, stores: &Named<SecretStore>) -> Result<String, String> {
    if store.is_empty() {
        return Err("needs a store: name a component of type secretstores.… by auth.secretStore".to_owned());
    }
    let Some(found): Option<&Arc<SecretStore>> = stores.find(store) else {
        let open: Vec<&str> = stores.iter().map(|(name, _)| name).collect();
        return Err(format!(
            "names secret store {store}, which is not there; there are [{}]",
            open.join(", ")
        ));
    };
    let SecretRef { name, key, .. } = reference;
    let key = if key.is_empty() { name } else { key };
    let secret = found.get(name).await.map_err(|reason| format!("cannot be looked up: {reason}"))?;
    let value = secret.get(key).map(|value| value.expose_secret().to_owned());
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("names {key} of secret {name}, which has no value in secret store {store}"))
}
