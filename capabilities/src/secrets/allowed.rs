//! The secrets that one binding may read.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Operation, Secret, Secrets};
use crate::binding::{Binding, Bound};
use crate::{Answer, Counters, Error, Result};

/// The value of a binding that names the secrets it may read.
const ALLOW: &str = "allow";

/// Some secrets of a provider. The others are never asked for.
struct Allowed {
    secrets: Arc<dyn Secrets>,
    rules: Arc<[Box<str>]>,
}

/// Makes a binding of secrets, which knows one value, `allow`: the names of the secrets that it may read, with commas or
/// white space between, where a name that ends with `*` stands for all that begin so. A binding that was not given it
/// may read none.
///
/// # Errors
///
/// [`Error::InvalidArgument`] if it was given another value.
pub fn allowed(secrets: Arc<dyn Secrets>, binding: &Binding<'_>) -> Result<Bound<dyn Secrets>> {
    binding.knows(secrets.name(), &[ALLOW])?;
    let rules = binding.values.get(ALLOW).map(String::as_str).unwrap_or_default();
    let separator = |c: char| c == ',' || c.is_whitespace();
    let rules = rules.split(separator).filter(|rule| !rule.is_empty()).map(Into::into).collect();
    Ok(Bound::by(Arc::new(Allowed { secrets, rules })))
}

fn allows(rules: &[Box<str>], secret: &str) -> bool {
    rules.iter().any(|rule| match rule.strip_suffix('*') {
        Some(begin) => secret.starts_with(begin),
        None => **rule == *secret,
    })
}

// === impl Allowed ===

impl Secrets for Allowed {
    fn name(&self) -> &'static str {
        self.secrets.name()
    }

    fn counters(&self) -> &Counters<Operation> {
        self.secrets.counters()
    }

    fn always_ready(&self) -> bool {
        self.secrets.always_ready()
    }

    fn get(&self, secret: &str) -> Answer<Option<Secret>> {
        if allows(&self.rules, secret) {
            return self.secrets.get(secret);
        }
        Answer::Ready(Err(Error::Denied {
            what: format!("to read the secret {secret:?} by this binding"),
            remedy: "name it in the binding's value `allow`",
        }))
    }

    fn bulk(&self) -> Answer<BTreeMap<String, Secret>> {
        let rules = Arc::clone(&self.rules);
        self.secrets.bulk().map(move |mut secrets| {
            secrets.retain(|name, _| allows(&rules, name));
            secrets
        })
    }
}
