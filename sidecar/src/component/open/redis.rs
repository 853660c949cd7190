//! Dapr's settings for a Redis server, which components of several kinds have.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::component::Manifest;
use crate::flags::is_true;

/// The settings that have an effect.
pub(super) const SETTINGS: &[&str] = &["redisHost", "redisUsername", "redisPassword", "redisDB", "enableTLS"];

/// The URL that Dapr's settings for Redis come to.
pub(super) fn url(manifest: &Manifest) -> Result<String, String> {
    let host = manifest.setting("redisHost");
    let host =
        host.ok_or("setting redisHost is missing: the server's address and port, as localhost:6379")?;
    let scheme = if manifest.setting("enableTLS").is_some_and(is_true) { "rediss" } else { "redis" };
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
    Ok(format!("{scheme}://{login}{host}/{database}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(settings: &[(&str, &str)]) -> Result<String, String> {
        super::url(&Manifest {
            name: "store".to_owned(),
            kind: "state.redis".to_owned(),
            version: "v1".to_owned(),
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Manifest::default()
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
            assert_eq!(
                url(&[("redisHost", "h:1"), ("enableTLS", yes)]).as_deref(),
                Ok("rediss://h:1/0"),
                "{yes}"
            );
        }
    }
}
