//! `spec.api`: which parts of the API are offered.

use std::path::Path;

use serde::Deserialize;

use super::{ConfigError, Rest, without_effect};
use crate::outside::Outside;

/// `spec.api`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Api {
    #[serde(default)]
    allowed: Vec<Rule>,
    #[serde(default)]
    denied: Vec<Rule>,
    #[serde(flatten)]
    rest: Rest,
}

/// A part of the API.
#[derive(Clone, Debug, Deserialize)]
struct Rule {
    name: String,
    version: String,
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    Grpc,
}

/// Which parts of the API are offered, by protocol.
#[derive(Debug)]
pub(crate) struct Offered {
    http: Rules,
    grpc: Rules,
}

/// Parts by version and name, as `v1/state`.
#[derive(Debug, Default)]
struct Rules {
    allowed: Vec<String>,
    denied: Vec<String>,
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.to_ascii_lowercase().as_str() {
            "http" => Ok(Self::Http),
            "grpc" => Ok(Self::Grpc),
            _ => Err(serde::de::Error::custom(format!("protocol {text:?} is neither http nor grpc"))),
        }
    }
}

// === impl Api ===

impl Api {
    pub(super) fn warn(&self, file: &Path) {
        without_effect(file, "spec.api", &self.rest);
    }

    /// What is offered; nothing if that is everything.
    pub(super) fn offered(&self, file: &Path) -> Result<Option<Offered>, ConfigError> {
        let rules = |protocol| {
            let part = |rules: &[Rule]| {
                let rules = rules.iter().filter(|rule| rule.protocol == protocol);
                rules.map(Rule::part).collect::<Result<Vec<_>, _>>()
            };
            Ok(Rules { allowed: part(&self.allowed)?, denied: part(&self.denied)? })
        };
        let syntax = |message| ConfigError::Syntax { file: file.to_owned(), message };
        let offered = Offered {
            http: rules(Protocol::Http).map_err(syntax)?,
            grpc: rules(Protocol::Grpc).map_err(syntax)?,
        };
        let all = offered.http.is_all() && offered.grpc.is_all();
        Ok((!all).then_some(offered))
    }
}

// === impl Rule ===

impl Rule {
    fn part(&self) -> Result<String, String> {
        let version = self.version.to_ascii_lowercase();
        let known =
            ["v1", "v1.0", "v1alpha1", "v1.0-alpha1", "v1alpha2", "v1.0-alpha2", "v1beta1", "v1.0-beta1"];
        if !known.contains(&version.as_str()) {
            return Err(format!(
                "spec.api: version {:?} of {} is none; write v1.0, v1.0-alpha1, v1.0-alpha2 or v1.0-beta1",
                self.version, self.name
            ));
        }
        Ok(part(&version, &self.name.to_ascii_lowercase()))
    }
}

// === impl Offered ===

impl Offered {
    /// Whether a path over HTTP is offered. Health always is.
    pub(crate) fn has_path(&self, path: &str) -> bool {
        let mut segments: Vec<&str> = Vec::new();
        // As paths are read when they are answered.
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                segment => segments.push(segment),
            }
        }
        let [version, name, ..] = segments[..] else { return true };
        let name = if name == "subtlecrypto" { "crypto" } else { name };
        name == "healthz" || self.http.has(&part(version, name))
    }

    /// Whether a method of the service `Dapr` is offered.
    pub(crate) fn has_method(&self, method: &str) -> bool {
        let version = ["Alpha1", "Alpha2", "Beta1"].into_iter().find(|version| method.ends_with(version));
        let version = format!("v1{}", version.unwrap_or_default().to_ascii_lowercase());
        self.grpc.has(&part(&version, name(method)))
    }
}

// === impl Rules ===

impl Rules {
    fn is_all(&self) -> bool {
        self.allowed.is_empty() && self.denied.is_empty()
    }

    fn has(&self, part: &str) -> bool {
        let among = |parts: &[String]| parts.iter().any(|known| known == part);
        (self.allowed.is_empty() || among(&self.allowed)) && !among(&self.denied)
    }
}

/// A part of the API, whichever way its version is written.
fn part(version: &str, name: &str) -> String {
    format!("{}/{name}", version.replacen(".0", "", 1).replace('-', ""))
}

/// The name that Dapr's Configuration has for what a method is of.
fn name(method: &str) -> &'static str {
    match method {
        "PublishEvent" | "BulkPublishEvent" | "BulkPublishEventAlpha1" => "publish",
        "SubscribeTopicEventsAlpha1" => "subscribe",
        "InvokeService" => "invoke",
        "InvokeBinding" => "bindings",
        "GetSecret" | "GetBulkSecret" => "secrets",
        "GetMetadata" | "SetMetadata" => "metadata",
        "TryLockAlpha1" => "lock",
        "UnlockAlpha1" => "unlock",
        "Shutdown" => "shutdown",
        _ if method.contains("Configuration") => "configuration",
        _ => match Outside::of_method(method) {
            Some(Outside::Actors) => "actors",
            Some(Outside::Workflows) => "workflows",
            Some(Outside::Jobs) => "jobs",
            Some(Outside::Crypto) => "crypto",
            Some(Outside::Conversation) => "conversation",
            Some(Outside::Search) => "search",
            None if method.contains("State") => "state",
            None => "",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(text: &str) -> Option<Offered> {
        serde_norway::from_str::<Api>(text).unwrap().offered(Path::new("c.yaml")).unwrap()
    }

    #[test]
    fn what_is_allowed_and_denied() {
        let text = "allowed:\n- {name: state, version: v1.0, protocol: http}\n\
                    - {name: secrets, version: v1, protocol: HTTP}\n- {name: state, version: v1, protocol: grpc}\n\
                    denied:\n- {name: secrets, version: v1.0, protocol: http}\n";
        let offered = offered(text).unwrap();
        for (path, is) in [
            ("/v1.0/state/store/k", true),
            ("/v1.0/./state/store", true),
            ("/v1.0-alpha1/state/store/query", false),
            ("/v1.0/secrets/s/k", false),
            ("/v1.0/state/../secrets/s/k", false),
            ("/v1.0/state/../../v1.0/secrets/s/k", false),
            ("//v1.0//secrets/s/k", false),
            ("/v1.0/healthz", true),
            ("/v1.0/healthz/outbound", true),
            ("/v1.0/metadata", false),
            ("/v1.0/invoke/app/method/state", false),
        ] {
            assert_eq!(offered.has_path(path), is, "{path}");
        }
        for (method, is) in [
            ("GetState", true),
            ("ExecuteStateTransaction", true),
            ("QueryStateAlpha1", false),
            ("GetActorState", false),
            ("GetSecret", false),
            ("Nothing", false),
        ] {
            assert_eq!(offered.has_method(method), is, "{method}");
        }
        let denied = self::offered("denied: [{name: lock, version: v1.0-alpha1, protocol: grpc}]").unwrap();
        assert!(!denied.has_method("TryLockAlpha1") && denied.has_method("UnlockAlpha1"));
        assert!(denied.has_path("/v1.0-alpha1/lock/store"), "that is of the other protocol");
        assert!(self::offered("{}").is_none());
    }

    #[test]
    fn a_slip_is_refused() {
        for text in [
            "allowed: [{name: state, version: v1.0, protocol: htttp}]",
            "denied: [{name: state, version: v1.0}]",
            "denied: [{name: state, protocol: http}]",
        ] {
            assert!(serde_norway::from_str::<Api>(text).is_err(), "{text}");
        }
        let api: Api =
            serde_norway::from_str("denied: [{name: state, version: v2, protocol: http}]").unwrap();
        assert!(
            api.offered(Path::new("c.yaml")).unwrap_err().to_string().contains("version \"v2\" of state")
        );
    }
}
