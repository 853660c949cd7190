//! Access control: who may call what of the app beside this sidecar (`spec.accessControl`).

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tonic::Code;

use super::{Refused, cleaned};
use crate::Sidecar;

/// `spec.accessControl`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessSpec {
    #[serde(default)]
    default_action: String,
    #[serde(default)]
    policies: Option<Vec<PolicySpec>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PolicySpec {
    #[serde(default)]
    app_id: String,
    #[serde(default)]
    default_action: String,
    #[serde(default)]
    trust_domain: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    operations: Option<Vec<OperationSpec>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OperationSpec {
    #[serde(default)]
    name: String,
    #[serde(default)]
    http_verb: Option<Vec<String>>,
    #[serde(default)]
    action: String,
}

/// Who may call what.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    default: Action,
    policies: Vec<Policy>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Allow,
    Deny,
}

#[derive(Clone, Debug)]
struct Policy {
    app_id: String,
    namespace: String,
    trust_domain: String,
    default: Option<Action>,
    operations: Vec<Operation>,
}

#[derive(Clone, Debug)]
struct Operation {
    /// The segments of its name; `*` in one stands for anything in it, and a last `**` for any more segments.
    segments: Vec<String>,
    /// `*` is all.
    verbs: Vec<String>,
    action: Action,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) id: String,
    pub(crate) namespace: String,
}

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) path: &'a str,
    pub(super) verb: Verb<'a>,
}

/// How it asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verb<'a> {
    Http(&'a str),
    Grpc,
}

/// The trust domain of sidecars without mTLS, and of policies that name none.
const PUBLIC: &str = "public";

// === impl Access ===

impl Access {
    /// Reads the policies; none if nothing is said.
    ///
    /// # Errors
    /// A policy that is not complete, or an action that is none.
    pub(crate) fn new(spec: &AccessSpec) -> Result<Option<Self>, String> {
        let policies = spec.policies.as_deref().unwrap_or_default();
        if spec.default_action.is_empty() && policies.is_empty() {
            return Ok(None);
        }
        // What is not said is denied where something is said.
        let default = action("defaultAction", &spec.default_action)?;
        let default = default.unwrap_or(if policies.is_empty() { Action::Allow } else { Action::Deny });
        let policies = policies.iter().map(Policy::new).collect::<Result<_, _>>()?;
        Ok(Some(Self { default, policies }))
    }

    /// Refuses what the caller may not ask for.
    pub(super) fn check(&self, caller: &Caller, asked: &Asked<'_>) -> Result<(), Refused> {
        // Whether the app decodes a path or not, it must not be another than the one that is looked at.
        let decoded = percent_decode_str(asked.path).decode_utf8_lossy();
        let path = cleaned(&decoded);
        let action = if path == format!("/{}", decoded.trim_start_matches('/')) || path == decoded {
            self.action(caller, &path, asked.verb)
        } else {
            Action::Deny
        };
        if action == Action::Allow {
            return Ok(());
        }
        let Caller { id, namespace } = caller;
        let verb = match asked.verb {
            Verb::Http(verb) => verb,
            Verb::Grpc => "NONE",
        };
        let message = format!(
            "access control policy has denied access to id: spiffe://{PUBLIC}/ns/{namespace}/{id} operation: \
             {path} verb: {verb}"
        );
        tracing::debug!("{message}");
        Err(Refused::new(Code::PermissionDenied, message))
    }

    fn action(&self, caller: &Caller, path: &str, verb: Verb<'_>) -> Action {
        let policy = self.policies.iter().find(|policy| {
            policy.app_id == caller.id
                && policy.namespace == caller.namespace
                && policy.trust_domain == PUBLIC
        });
        let Some(policy) = policy else { return self.default };
        let default = policy.default.unwrap_or(self.default);
        let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
        let fitting = policy.operations.iter().filter(|operation| operation.fits(&segments));
        let Some(operation) = fitting.max_by_key(|operation| operation.precision()) else { return default };
        match verb {
            Verb::Grpc => operation.action,
            // Apps may well take a verb in any case.
            Verb::Http(verb)
                if operation.verbs.iter().any(|it| it == "*" || it.eq_ignore_ascii_case(verb)) =>
            {
                operation.action
            }
            Verb::Http(_) => default,
        }
    }
}

// === impl Verb ===

impl<'a> Verb<'a> {
    /// How a call asks that names this verb. To an app that speaks gRPC, a verb means nothing, whoever names one.
    pub(super) fn of(sidecar: &Sidecar, verb: &'a str) -> Self {
        match &sidecar.app {
            Some(app) if app.protocol.is_grpc() => Self::Grpc,
            _ => Self::Http(verb),
        }
    }
}

// === impl Policy ===

impl Policy {
    fn new(spec: &PolicySpec) -> Result<Self, String> {
        let PolicySpec { app_id, namespace, .. } = spec;
        if app_id.is_empty() {
            return Err("a policy has no appId".to_owned());
        }
        if namespace.is_empty() {
            return Err(format!("the policy for {app_id} has no namespace; \"default\" is one without any"));
        }
        let trust_domain = if spec.trust_domain.is_empty() { PUBLIC } else { &spec.trust_domain };
        let operations = spec.operations.as_deref().unwrap_or_default();
        let operations = operations.iter().map(Operation::new).collect::<Result<_, _>>();
        Ok(Self {
            app_id: app_id.clone(),
            namespace: namespace.clone(),
            trust_domain: trust_domain.to_owned(),
            default: action("defaultAction", &spec.default_action)?,
            operations: operations.map_err(|wrong| format!("the policy for {app_id}: {wrong}"))?,
        })
    }
}

// === impl Operation ===

impl Operation {
    fn new(spec: &OperationSpec) -> Result<Self, String> {
        let action = action("action", &spec.action)?;
        let action = action.ok_or_else(|| format!("operation {} has no action: allow or deny", spec.name))?;
        let segments =
            spec.name.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        Ok(Self { segments, verbs: spec.http_verb.clone().unwrap_or_default(), action })
    }

    fn fits(&self, path: &[&str]) -> bool {
        let (segments, open) = match self.segments.split_last() {
            Some((last, rest)) if last == "**" => (rest, true),
            _ => (self.segments.as_slice(), false),
        };
        (path.len() == segments.len() || open && path.len() > segments.len())
            && segments.iter().zip(path).all(|(pattern, segment)| matches(pattern, segment))
    }

    /// The more it says, the more it counts.
    fn precision(&self) -> (bool, usize, usize) {
        let exact = self.segments.iter().filter(|segment| !segment.contains('*')).count();
        let open = self.segments.last().is_some_and(|last| last == "**");
        (!open, exact, self.segments.iter().map(String::len).sum())
    }
}

/// Whether a segment is what a pattern says, in which `*` stands for anything.
fn matches(pattern: &str, segment: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| segment.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

fn action(field: &str, text: &str) -> Result<Option<Action>, String> {
    match text.to_ascii_lowercase().as_str() {
        "" => Ok(None),
        "allow" => Ok(Some(Action::Allow)),
        "deny" => Ok(Some(Action::Deny)),
        other => Err(format!("{field} {other:?} is neither allow nor deny")),
    }
}
