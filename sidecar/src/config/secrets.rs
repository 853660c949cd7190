//! `spec.secrets`: which secrets the app may read.

use std::path::Path;

use serde::Deserialize;

use super::{ConfigError, Rest, without_effect};

/// `spec.secrets`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Secrets {
    #[serde(default)]
    scopes: Vec<Scope>,
    #[serde(flatten)]
    rest: Rest,
}

/// What is said of one store.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scope {
    store_name: String,
    #[serde(default)]
    default_access: Option<Access>,
    #[serde(default)]
    allowed_secrets: Vec<String>,
    #[serde(default)]
    denied_secrets: Vec<String>,
    #[serde(flatten)]
    rest: Rest,
}

/// Whether what is not named may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Allow,
    Deny,
}

/// Which secrets the app may read, by store. Of a store that nothing is said of it may read all.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scopes(Vec<Scope>);

impl<'de> Deserialize<'de> for Access {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.to_ascii_lowercase().as_str() {
            "" | "allow" => Ok(Self::Allow),
            "deny" => Ok(Self::Deny),
            // Whoever misspells deny must not have allowed everything.
            _ => Err(serde::de::Error::custom(format!("defaultAccess {text:?} is neither allow nor deny"))),
        }
    }
}

// === impl Secrets ===

impl Secrets {
    pub(super) fn warn(&self, file: &Path) {
        without_effect(file, "spec.secrets", &self.rest);
        for scope in &self.scopes {
            without_effect(file, "spec.secrets.scopes", &scope.rest);
        }
    }

    pub(super) fn scopes(self, file: &Path) -> Result<Scopes, ConfigError> {
        for (index, scope) in self.scopes.iter().enumerate() {
            if self.scopes.iter().take(index).any(|before| before.store_name == scope.store_name) {
                return Err(ConfigError::Syntax {
                    file: file.to_owned(),
                    message: format!(
                        "{:?} storeName is repeated in spec.secrets.scopes; say it all in one place",
                        scope.store_name
                    ),
                });
            }
        }
        Ok(Scopes(self.scopes))
    }
}

// === impl Scopes ===

impl Scopes {
    /// Whether the app may read a secret. As with Dapr, where some are allowed, those alone are; otherwise what is denied
    /// is not, and for the rest it is as said in general.
    pub(crate) fn allow(&self, store: &str, secret: &str) -> bool {
        let Some(scope) = self.0.iter().find(|scope| scope.store_name == store) else { return true };
        let among = |secrets: &[String]| secrets.iter().any(|known| known == secret);
        if !scope.allowed_secrets.is_empty() {
            return among(&scope.allowed_secrets);
        }
        !among(&scope.denied_secrets) && scope.default_access != Some(Access::Deny)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        let secrets: Secrets = serde_norway::from_str(text).unwrap();
        secrets.scopes(Path::new("c.yaml")).unwrap()
    }

    #[test]
    fn who_may_read_what() {
        let text = "scopes:\n- {storeName: a, defaultAccess: DENY, allowedSecrets: [x]}\n\
                    - {storeName: b, deniedSecrets: [x]}\n- {storeName: c, defaultAccess: deny}\n\
                    - {storeName: d, defaultAccess: allow, allowedSecrets: [x], deniedSecrets: [x]}\n";
        let scopes = scopes(text);
        for (store, secret, may) in [
            ("a", "x", true),
            ("a", "y", false),
            ("a", "X", false),
            ("b", "x", false),
            ("b", "y", true),
            ("c", "x", false),
            ("d", "x", true),
            ("d", "y", false),
            ("other", "x", true),
        ] {
            assert_eq!(scopes.allow(store, secret), may, "{store} {secret}");
        }
    }

    #[test]
    fn a_slip_allows_nothing() {
        for text in ["scopes: [{storeName: a, defaultAccess: dney}]", "scopes: [{defaultAccess: deny}]"] {
            assert!(serde_norway::from_str::<Secrets>(text).is_err(), "{text}");
        }
        let twice = "scopes: [{storeName: a}, {storeName: a}]";
        let twice = serde_norway::from_str::<Secrets>(twice).unwrap().scopes(Path::new("c.yaml"));
        assert!(twice.unwrap_err().to_string().contains("storeName is repeated"));
    }
}
