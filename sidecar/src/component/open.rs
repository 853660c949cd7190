//! From a component file to a store.

use std::path::Path;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pillion_capabilities::{KeyValue, Memory, Redb, Redis};

use super::{ComponentError, Manifest};
use crate::Flags;
use crate::flags::is_true;
use crate::state::{Backend, KeyPrefix, Store};

/// Opens the provider of a component.
pub(super) async fn store(manifest: &Manifest, file: &Path, flags: &Flags) -> Result<Store, ComponentError> {
    let wrong = |message: String| ComponentError::Setting {
        file: file.to_owned(),
        name: manifest.name.clone(),
        message,
    };
    let failed = |source| ComponentError::Open { file: file.to_owned(), name: manifest.name.clone(), source };
    let prefix = KeyPrefix::parse(manifest.setting("keyPrefix").unwrap_or_default()).map_err(wrong)?;
    let (backend, known): (Backend, &[&str]) = match manifest.kind.as_str() {
        "state.in-memory" => (Backend::Memory, &[]),
        "state.redis" => (Backend::Redis, REDIS_SETTINGS),
        "state.redb" => (Backend::Redb, &["path"]),
        kind => {
            return Err(ComponentError::UnknownType {
                file: file.to_owned(),
                name: manifest.name.clone(),
                kind: kind.to_owned(),
            });
        }
    };
    for (setting, _) in &manifest.settings {
        if !known.iter().chain(&["keyPrefix"]).any(|known| known.eq_ignore_ascii_case(setting)) {
            tracing::warn!(
                "{}: component {}: setting {setting} has no effect",
                file.display(),
                manifest.name
            );
        }
    }
    let provider: Arc<dyn KeyValue> = match backend {
        Backend::Memory => Arc::new(Memory::new()),
        Backend::Redis => {
            Arc::new(Redis::connect(&redis_url(manifest).map_err(wrong)?).await.map_err(failed)?)
        }
        Backend::Redb => {
            let path = manifest.setting("path");
            let path =
                path.ok_or_else(|| wrong("setting path is missing: the file to keep values in".to_owned()))?;
            Arc::new(Redb::open(path).map_err(failed)?)
        }
    };
    let mut store =
        Store::new(&manifest.name, backend, provider, &prefix, &flags.app_id, flags.namespace.as_deref());
    store.version.clone_from(&manifest.version);
    Ok(store)
}

const REDIS_SETTINGS: &[&str] = &["redisHost", "redisUsername", "redisPassword", "redisDB", "enableTLS"];

/// The URL that Dapr's settings for Redis come to.
fn redis_url(manifest: &Manifest) -> Result<String, String> {
    let host = manifest.setting("redisHost");
    let host =
        host.ok_or("setting redisHost is missing: the server's address and port, as localhost:6379")?;
    if manifest.setting("enableTLS").is_some_and(is_true) {
        return Err("setting enableTLS: encryption to Redis is not supported; leave it out".to_owned());
    }
    let database = manifest.setting("redisDB").unwrap_or("0");
    let database: u32 = database
        .parse()
        .map_err(|_| format!("setting redisDB: {database:?} is not the number of a database"))?;
    let encode =
        |name| utf8_percent_encode(manifest.setting(name).unwrap_or_default(), NON_ALPHANUMERIC).to_string();
    let login = match (encode("redisUsername"), encode("redisPassword")) {
        (user, password) if user.is_empty() && password.is_empty() => String::new(),
        (user, password) => format!("{user}:{password}@"),
    };
    Ok(format!("redis://{login}{host}/{database}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(settings: &[(&str, &str)]) -> Result<String, String> {
        redis_url(&Manifest {
            name: "store".to_owned(),
            kind: "state.redis".to_owned(),
            version: "v1".to_owned(),
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            scopes: Vec::new(),
            ignore_errors: false,
        })
    }

    #[test]
    fn redis_settings_become_a_url() {
        assert_eq!(url(&[("redisHost", "localhost:6379")]).as_deref(), Ok("redis://localhost:6379/0"));
        let full =
            [("REDISHOST", "h:1"), ("redisPassword", "p@ss/w"), ("redisDB", "3"), ("enableTLS", "false")];
        assert_eq!(url(&full).as_deref(), Ok("redis://:p%40ss%2Fw@h:1/3"));
        for wrong in [&[][..], &[("redisHost", "h"), ("redisDB", "x")]] {
            assert!(url(wrong).is_err(), "{wrong:?}");
        }
        for yes in ["true", "True", "1", "t", "yes", "on"] {
            assert!(url(&[("redisHost", "h"), ("enableTLS", yes)]).is_err(), "{yes}");
        }
    }
}
