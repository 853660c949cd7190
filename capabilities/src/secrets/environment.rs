//! The provider over this process's environment.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::{Operation, Secret, SecretString, Secrets};
use crate::condition::check_key;
use crate::{Answer, Counters, Error, Result};

/// Takes each environment variable for a secret of one value. Every call answers [`Answer::Ready`].
#[derive(Debug, Default)]
pub struct Environment {
    counters: Counters<Operation>,
    prefix: String,
    hidden: Vec<String>,
}

// === impl Environment ===

impl Environment {
    /// All variables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only the variables that begin so, each under the name that is left without it.
    #[must_use]
    pub fn with_prefix(self, prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..self }
    }

    /// No variables that begin so, whatever the case of their letters: those of the host itself, say. The names are
    /// looked at with their prefix.
    #[must_use]
    pub fn hiding<'a>(mut self, names: impl IntoIterator<Item = &'a str>) -> Self {
        self.hidden.extend(names.into_iter().map(str::to_ascii_uppercase));
        self
    }

    /// The secret of a variable, if it is one.
    fn secret<'a>(&self, variable: &'a str) -> Option<&'a str> {
        let upper = variable.to_ascii_uppercase();
        let secret = variable.strip_prefix(&self.prefix).filter(|secret| !secret.is_empty())?;
        (!self.hidden.iter().any(|hidden| upper.starts_with(hidden))).then_some(secret)
    }

    fn read(&self, secret: &str) -> Result<Option<Secret>> {
        check_key(secret)?;
        // The standard library takes such a name for a mistake of the program.
        if secret.contains(['=', '\0']) {
            return Ok(None);
        }
        let variable = format!("{}{secret}", self.prefix);
        match self.secret(&variable).and_then(|_| std::env::var_os(&variable)) {
            Some(value) => Ok(Some(single(secret, text(&variable, value)?))),
            None => Ok(None),
        }
    }
}

impl Secrets for Environment {
    fn name(&self) -> &'static str {
        "environment"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        true
    }

    fn get(&self, secret: &str) -> Answer<Option<Secret>> {
        self.counters.count(Operation::Get);
        Answer::Ready(self.read(secret))
    }

    /// Variables that are not UTF-8 are left out.
    fn bulk(&self) -> Answer<BTreeMap<String, Secret>> {
        self.counters.count(Operation::Bulk);
        let secrets = std::env::vars_os().filter_map(|(variable, value)| {
            let variable = variable.into_string().ok()?;
            let secret = self.secret(&variable)?;
            Some((secret.to_owned(), single(secret, text(&variable, value).ok()?)))
        });
        Answer::Ready(Ok(secrets.collect()))
    }
}

// === free functions ===

fn single(secret: &str, value: SecretString) -> Secret {
    Secret::from([(secret.to_owned(), value)])
}

/// The text of a variable. The error does not show what is wrong with it, as the standard library's does.
fn text(variable: &str, value: OsString) -> Result<SecretString> {
    value.into_string().map(SecretString::from).map_err(|_| Error::Failed {
        provider: "environment".to_owned(),
        reason: format!("variable {variable} is not UTF-8"),
    })
}
