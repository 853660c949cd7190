//! Open Policy Agent's policies as an authorizer, embedded: by the crate `regorus`, without a server.

mod bundle;
mod canonical;
mod key;
mod signature;
mod sources;

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};
use serde::Serialize;

use super::{Authorizer, Decision, Invocation, SignatureAlgorithm};
use crate::identity::Claims;
pub use key::PolicyKey;
use sources::{Source, Sources};

/// Decides by two rules of the package `pillion`:
///
/// - `can_load`, whose input is `{"claims": …}`: a module's claims, as they stand in its token.
/// - `can_invoke`, whose input is `{"claims": …, "invocation": {"binding", "namespace", "operation"}}`.
///
/// Each is `true` to allow. `false`, or an object `{"allow": false, "reason": "…"}`, denies. So does a rule that is
/// undefined for its input, fails, or takes too long: what a policy does not allow is denied.
///
/// ```
/// use pillion_host::policy::Opa;
///
/// let opa = Opa::from_rego("inline.rego", r#"
///     package pillion
///     default can_load := true
///     can_invoke if input.invocation.operation != "Clear"
/// "#)?;
/// # Ok::<(), pillion_host::policy::OpaError>(())
/// ```
pub struct Opa {
    prepared: Engine,
    /// An engine takes one input at a time.
    idle: Mutex<Vec<Engine>>,
    cacheable: bool,
    /// What it decides by.
    digest: [u8; 32],
}

/// Why policies cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpaError {
    /// A file cannot be read.
    #[error("the policy file {} cannot be read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A policy or its data is not what it should be.
    #[error("{name}: {reason}")]
    Malformed {
        /// The file, or its name within its bundle.
        name: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// A bundle is not signed as it has to be.
    #[error("the bundle {} is refused: {reason}", path.display())]
    Unverified {
        /// The bundle.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Two bundles own the same.
    #[error(
        "the bundles {} and {} both own {root:?} in `data`; give them roots in their `.manifest` that do not overlap",
        one.display(), other.display()
    )]
    Overlap {
        /// The bundle that comes first.
        one: PathBuf,
        /// The other.
        other: PathBuf,
        /// The root, or the one within another; all of `data` if it is empty.
        root: String,
    },
    /// A key cannot be used.
    #[error("the key {id:?} for {algorithm} cannot be used: {reason}")]
    Key {
        /// What signatures call it.
        id: String,
        /// What it should be for.
        algorithm: SignatureAlgorithm,
        /// Why.
        reason: String,
    },
    /// One of the two rules is not there.
    #[error(
        "the policies do not define {0}; write, say, `default {short} := true` in `package pillion`",
        short = .0.trim_start_matches("data.pillion.")
    )]
    NoRule(&'static str),
}

#[derive(Serialize)]
struct LoadInput<'a> {
    claims: &'a Claims,
}

#[derive(Serialize)]
struct InvokeInput<'a> {
    claims: &'a Claims,
    invocation: InvocationInput<'a>,
}

#[derive(Serialize)]
struct InvocationInput<'a> {
    binding: &'a str,
    namespace: &'a str,
    operation: &'a str,
}

const CAN_LOAD: &str = "data.pillion.can_load";
const CAN_INVOKE: &str = "data.pillion.can_invoke";

/// A decision that takes longer denies.
const PATIENCE: Duration = Duration::from_millis(100);

/// The families of functions of which some answer differently at another time or place. A policy that uses one of them
/// is asked each time.
const FICKLE: [&str; 5] = ["time", "rand", "uuid", "http", "opa"];

/// Single functions that do so.
const FICKLE_ONES: [&str; 2] = ["decode_verify", "lookup_ip_addr"];

/// The binding that the empty one means.
const DEFAULT: &str = "default";

// === impl Opa ===

impl Opa {
    /// Reads policies (`.rego`), data (`.json`, `.yaml`) and bundles (`.tar.gz`); of a directory, all that it holds, as of
    /// a bundle. Data of a directory or bundle is found under the path of its folder, as OPA has it. Files of tests
    /// (`_test.rego`) are passed over.
    ///
    /// A bundle, and a directory with a `.manifest`, keeps to the `roots` in that, all of `data` by default; no two of
    /// them own the same. One that is signed is refused here: that takes keys.
    ///
    /// # Errors
    /// When something cannot be read or is malformed, beyond its roots, or one of the two rules is missing.
    pub fn from_paths(paths: &[PathBuf]) -> Result<Self, OpaError> {
        Self::from_signed_paths(paths, &[])
    }

    /// As [`Opa::from_paths`]. If there are keys, all paths have to be bundles or directories that one of them signed, as
    /// `opa sign` does: by a token in `.signatures.json` with the hash of each file. A file that is another than was
    /// signed, missing or beyond those is refused.
    ///
    /// # Errors
    /// As [`Opa::from_paths`], and when something is not signed as it has to be.
    pub fn from_signed_paths(paths: &[PathBuf], keys: &[PolicyKey]) -> Result<Self, OpaError> {
        let mut sources = Sources::default();
        for path in paths {
            sources.read(path, keys)?;
        }
        Self::new(&sources)
    }

    /// Takes one policy as text. The name is for errors.
    ///
    /// # Errors
    /// When it is malformed, or one of the two rules is missing.
    pub fn from_rego(name: &str, rego: &str) -> Result<Self, OpaError> {
        Self::new(&Sources::of_policy(name, rego))
    }

    fn new(sources: &Sources) -> Result<Self, OpaError> {
        let malformed = |name: &str, error: &dyn fmt::Display| OpaError::Malformed {
            name: name.to_owned(),
            reason: error.to_string(),
        };
        let mut engine = Engine::new();
        engine.set_strict_builtin_errors(false);
        for Source { name, text, .. } in &sources.policies {
            engine.add_policy(name.clone(), text.clone()).map_err(|error| malformed(name, &error))?;
        }
        let packages =
            engine.get_policy_package_components().map_err(|error| malformed("policies", &error))?;
        let packages: Vec<_> = packages.into_iter().map(|package| package.components).collect();
        sources.check_packages(&packages)?;
        for Source { name, text, .. } in &sources.data {
            engine.add_data_json(text).map_err(|error| malformed(name, &error))?;
        }
        for rule in [CAN_LOAD, CAN_INVOKE] {
            engine.set_input(Value::new_object());
            // It is asked for the error alone: a rule may well be undefined for an empty input.
            if let Err(error) = engine.eval_rule(rule.to_owned()) {
                let text = error.to_string();
                if text.contains("not a valid rule path") {
                    return Err(OpaError::NoRule(rule));
                }
                tracing::debug!(target: "pillion::policy", rule, error = text, "fails on an empty input");
            }
        }
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: PATIENCE,
            check_interval: NonZeroU32::MIN.saturating_add(255),
        });
        let cacheable = !sources.policies.iter().any(|policy| fickle(&policy.text));
        Ok(Self { prepared: engine, idle: Mutex::default(), cacheable, digest: sources.digest() })
    }

    /// Whether both decide by the same policies and data.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    fn decide(&self, rule: &'static str, input: &impl Serialize) -> Decision {
        let input = serde_json::to_value(input).map(Value::from);
        let Ok(input) = input else { return Decision::Fail("the input cannot be written as JSON".into()) };
        let idle = self.idle.lock().pop();
        let mut engine = idle.unwrap_or_else(|| self.prepared.clone());
        engine.set_input(input);
        let decided = engine.eval_rule(rule.to_owned());
        self.idle.lock().push(engine);
        match decided {
            Ok(value) => verdict(rule, &value),
            // It may be for want of time on a busy machine.
            Err(error) => Decision::Fail(format!("{rule} failed: {error}").into()),
        }
    }
}

impl fmt::Debug for Opa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opa").field("cacheable", &self.cacheable).finish_non_exhaustive()
    }
}

impl Authorizer for Opa {
    fn can_load(&self, claims: &Claims) -> Decision {
        self.decide(CAN_LOAD, &LoadInput { claims })
    }

    fn can_invoke(&self, claims: &Claims, invocation: &Invocation<'_>) -> Decision {
        let Invocation { binding, namespace, operation } = *invocation;
        let binding = if binding.is_empty() { DEFAULT } else { binding };
        let invocation = InvocationInput { binding, namespace, operation };
        self.decide(CAN_INVOKE, &InvokeInput { claims, invocation })
    }

    fn cacheable(&self) -> bool {
        self.cacheable
    }
}

/// Whether a policy names what is fickle. It may do so in a comment, and is then asked more often than need be.
fn fickle(rego: &str) -> bool {
    let inside = |letter: char| letter.is_alphanumeric() || letter == '_';
    let word = |name: &'static str| {
        rego.match_indices(name).filter_map(move |(at, _)| {
            let (before, after) = (&rego[..at], &rego[at + name.len()..]);
            // As in `runtime` or `data.time`.
            let apart = !before.ends_with(|it: char| inside(it) || it == '.') && !after.starts_with(inside);
            apart.then(|| after.trim_start())
        })
    };
    FICKLE.into_iter().any(|name| word(name).any(|after| after.starts_with(['.', '['])))
        || FICKLE_ONES.iter().any(|name| rego.contains(name))
}

/// What a rule's value means.
fn verdict(rule: &str, value: &Value) -> Decision {
    let allow = match value {
        Value::Bool(allow) => *allow,
        Value::Object(_) => matches!(value["allow"], Value::Bool(true)),
        _ => false,
    };
    if allow {
        return Decision::Allow;
    }
    match value {
        Value::Undefined => Decision::Deny(format!("{rule} is undefined for it").into()),
        Value::Object(_) => match &value["reason"] {
            Value::String(reason) => Decision::Deny(Arc::from(&**reason)),
            _ => Decision::Deny(format!("{rule} says no").into()),
        },
        Value::Bool(_) => Decision::Deny(format!("{rule} is false").into()),
        other => Decision::Deny(format!("{rule} is neither true, false nor an object: {other}").into()),
    }
}
