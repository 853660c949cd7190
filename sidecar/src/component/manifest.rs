//! Component files.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_norway::Value;

use super::ComponentError;
use super::documents::{COMPONENT, documents, or_default, text};

/// What a document of a component file says.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// `metadata.name`
    pub name: String,
    /// `spec.type`
    pub kind: String,
    /// `spec.version`
    pub version: String,
    /// `spec.metadata`: names and values, in their order.
    pub settings: Vec<(String, String)>,
    /// The apps that it is for; none is all.
    pub scopes: Vec<String>,
    /// `spec.ignoreErrors`: whether the sidecar starts without it when it cannot be opened.
    pub ignore_errors: bool,
    /// The settings whose values are secrets, which are not among the others before they are known.
    pub secret_refs: Vec<SecretRef>,
    /// `auth.secretStore`: where they are.
    pub secret_store: String,
}

/// A setting whose value is a secret: `secretKeyRef`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretRef {
    /// The setting.
    pub setting: String,
    /// The secret's name.
    pub name: String,
    /// Which of the secret's values; as its name, if it is empty.
    pub key: String,
}

#[derive(Deserialize)]
struct Document {
    metadata: Named,
    spec: Spec,
    #[serde(default, deserialize_with = "or_default")]
    scopes: Vec<String>,
    #[serde(default)]
    auth: Option<Auth>,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Auth {
    #[serde(default)]
    secret_store: Option<String>,
}

/// Fields that have no effect.
type Rest = BTreeMap<String, IgnoredAny>;

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    r#type: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    metadata: Option<Vec<Setting>>,
    #[serde(default, deserialize_with = "or_default")]
    ignore_errors: bool,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Setting {
    name: String,
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    secret_key_ref: Option<KeyRef>,
    #[serde(default)]
    env_ref: Option<String>,
}

#[derive(Deserialize)]
struct KeyRef {
    name: String,
    #[serde(default, deserialize_with = "or_default")]
    key: String,
}

// === impl Manifest ===

impl Manifest {
    /// Whether an app may use it.
    #[must_use]
    pub fn is_for(&self, app_id: &str) -> bool {
        self.scopes.is_empty() || self.scopes.iter().any(|scope| scope == app_id)
    }

    /// The kind of component after Dapr, as `state` of `state.redis`; nothing if Dapr has none of that kind.
    #[must_use]
    pub fn building_block(&self) -> Option<&str> {
        const BLOCKS: [&str; 9] = [
            "state",
            "pubsub",
            "bindings",
            "secretstores",
            "configuration",
            "lock",
            "middleware",
            "crypto",
            "conversation",
        ];
        let (block, _) = self.kind.split_once('.')?;
        BLOCKS.contains(&block).then_some(block)
    }

    /// Warns of settings that are none of these: they have no effect.
    pub(super) fn warn_of_others(&self, file: &Path, known: &[&[&str]]) {
        for (setting, _) in &self.settings {
            if !known.iter().copied().flatten().any(|known| known.eq_ignore_ascii_case(setting)) {
                tracing::warn!(
                    "{}: component {}: setting {setting} has no effect",
                    file.display(),
                    self.name
                );
            }
        }
    }

    /// A setting by its name, in any case; empty is as good as missing.
    #[must_use]
    pub fn setting(&self, name: &str) -> Option<&str> {
        let found = self.settings.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Reads the components of a file; other kinds of documents are passed over.
///
/// # Errors
/// A file that cannot be read, is not YAML, or holds a component that is not complete.
pub fn read(file: &Path) -> Result<Vec<Manifest>, ComponentError> {
    parse(&text(file)?, file)
}

/// Reads the components of a file's text.
///
/// # Errors
/// As [`read`], but for a file that cannot be read.
pub fn parse(text: &str, file: &Path) -> Result<Vec<Manifest>, ComponentError> {
    let documents = documents(text, file, COMPONENT, &["dapr.io/v1alpha1"])?;
    documents.into_iter().map(|document| manifest(document, file)).collect()
}

fn manifest(document: Document, file: &Path) -> Result<Manifest, ComponentError> {
    let name = document.metadata.name;
    let outer = document.rest.keys().filter(|field| !matches!(field.as_str(), "apiVersion" | "kind"));
    for field in outer.cloned().chain(document.spec.rest.keys().map(|field| format!("spec.{field}"))) {
        tracing::warn!("{}: component {name}: {field} has no effect", file.display());
    }
    let (mut settings, mut secret_refs) = (Vec::new(), Vec::new());
    for setting in document.spec.metadata.unwrap_or_default() {
        let wrong = |message: String| ComponentError::Setting {
            file: file.to_owned(),
            name: name.clone(),
            message: format!("setting {}: {message}", setting.name),
        };
        let value = match (&setting.value, &setting.secret_key_ref, &setting.env_ref) {
            (_, Some(KeyRef { name, key }), _) => {
                let (name, key) = (name.clone(), key.clone());
                secret_refs.push(SecretRef { setting: setting.name, name, key });
                continue;
            }
            (_, None, Some(variable)) if is_own(variable) => {
                return Err(wrong(format!("envRef names {variable}, which is the sidecar's own")));
            }
            (_, None, Some(variable)) => std::env::var(variable)
                .map_err(|_| wrong(format!("envRef names {variable}, which is not set")))?,
            (None | Some(Value::Null), None, None) => String::new(),
            (Some(Value::String(text)), None, None) => text.clone(),
            (Some(Value::Bool(value)), None, None) => value.to_string(),
            (Some(Value::Number(value)), None, None) => value.to_string(),
            (Some(_), None, None) => {
                return Err(wrong("its value is not a text, number or boolean".to_owned()));
            }
        };
        settings.push((setting.name, value));
    }
    Ok(Manifest {
        name,
        kind: document.spec.r#type,
        version: document.spec.version.unwrap_or_else(|| "v1".to_owned()),
        settings,
        scopes: document.scopes,
        ignore_errors: document.spec.ignore_errors,
        secret_refs,
        secret_store: document.auth.and_then(|auth| auth.secret_store).unwrap_or_default(),
    })
}

/// Whether a variable is for the sidecar alone, as with Dapr.
fn is_own(variable: &str) -> bool {
    let variable = variable.to_ascii_uppercase();
    variable == "APP_API_TOKEN" || variable.starts_with("DAPR_")
}

// Values may be secrets.
impl std::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manifest").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}
