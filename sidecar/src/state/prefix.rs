//! How the keys of an app are told from those of its neighbours in the same store.

use crate::ApiError;

/// What stands between prefix and key; no key of an app may contain it.
pub const SEPARATOR: &str = "||";

/// A component's `keyPrefix`: what is put before every key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeyPrefix {
    /// The app's id; without one, nothing.
    #[default]
    AppId,
    /// The component's name, so that apps share.
    Name,
    /// Namespace and app id, as `production.orders`; without a namespace the app id.
    Namespace,
    /// Nothing: apps share all keys.
    None,
    /// This text.
    Literal(String),
}

// === impl KeyPrefix ===

impl KeyPrefix {
    /// Reads a component's setting.
    ///
    /// # Errors
    /// If a literal prefix contains the separator; the text says so.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(match text.to_ascii_lowercase().as_str() {
            "" | "appid" => Self::AppId,
            "name" => Self::Name,
            "namespace" => Self::Namespace,
            "none" => Self::None,
            _ if text.contains(SEPARATOR) => {
                return Err(format!("keyPrefix '{text}' can't contain '{SEPARATOR}'"));
            }
            _ => Self::Literal(text.to_owned()),
        })
    }

    /// The text put before every key, separator included.
    pub(super) fn resolve(&self, app_id: &str, component: &str, namespace: Option<&str>) -> String {
        let prefix = match self {
            Self::AppId => app_id.to_owned(),
            Self::Name => component.to_owned(),
            Self::Namespace => match namespace {
                Some(namespace) if !namespace.is_empty() && !app_id.is_empty() => {
                    format!("{namespace}.{app_id}")
                }
                _ => app_id.to_owned(),
            },
            Self::None => String::new(),
            Self::Literal(text) => text.clone(),
        };
        if prefix.is_empty() { prefix } else { prefix + SEPARATOR }
    }
}

/// Puts the prefix before a key.
pub(super) fn prefixed(prefix: &str, key: &str, store: &str) -> Result<String, ApiError> {
    if key.contains(SEPARATOR) {
        return Err(ApiError::illegal_key(store, key));
    }
    let mut full = String::with_capacity(prefix.len() + key.len());
    full.push_str(prefix);
    full.push_str(key);
    Ok(full)
}
