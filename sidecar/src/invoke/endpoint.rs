//! Dapr's `HTTPEndpoint`: a server that is no app, by a name.

use std::collections::{BTreeMap, HashMap};

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::external::Server;
use crate::Flags;
use crate::component::{ComponentError, Resource, resources};

/// Servers by their names.
pub(crate) type Endpoints = HashMap<String, Server>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    base_url: String,
    #[serde(default)]
    headers: Vec<Header>,
    #[serde(default, rename = "version")]
    _version: Option<IgnoredAny>,
    #[serde(flatten)]
    rest: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    name: String,
    #[serde(default)]
    value: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, IgnoredAny>,
}

/// What the files say.
///
/// # Errors
/// An endpoint that cannot be used.
pub(crate) fn read(flags: &Flags) -> Result<Endpoints, ComponentError> {
    let mut endpoints = Endpoints::new();
    for Resource { file, name, spec } in resources::<Spec>(flags, "HTTPEndpoint")? {
        for field in spec.rest.keys() {
            tracing::warn!("{}: HTTPEndpoint {name}: spec.{field} has no effect", file.display());
        }
        let wrong =
            |message: String| ComponentError::Setting { file: file.clone(), name: name.clone(), message };
        let server = server(&spec).map_err(wrong)?;
        endpoints.insert(name, server);
    }
    Ok(endpoints)
}

fn server(spec: &Spec) -> Result<Server, String> {
    let Spec { base_url, headers, .. } = spec;
    let server = Server::parse(base_url);
    let server =
        server.ok_or_else(|| format!("baseUrl {base_url:?} is no URL; write it as https://HOST:PORT"))?;
    let mut server = server.map_err(|refused| format!("baseUrl: {}", refused.message))?;
    for Header { name, value, rest } in headers {
        let Some(value) = value.as_ref().filter(|_| rest.is_empty()) else {
            return Err(format!("header {name} has no value of its own; secrets are not looked up here"));
        };
        let (Ok(known), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
            return Err(format!("header {name} has a name or a value that HTTP does not take"));
        };
        server.headers.push((known, value));
    }
    Ok(server)
}
