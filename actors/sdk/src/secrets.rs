//! `pillion:secrets`: what an actor may know and nobody else.

use crate::Result;
use crate::answered::answered;
use crate::call::call_with;
use crate::client::client;
use crate::message::{List, Map, SecretNames, SecretRequest, SecretText};

client! {
    /// A store of secrets.
    Secrets = "pillion:secrets"
}

/// A secret: a single value, or several by key. No `Debug` output shows one.
#[derive(Debug)]
pub struct Secret {
    answer: SecretAnswer,
    name: Box<str>,
}

answered! {
    SecretAnswer of SecretResponse, else crate::message::SecretResponse { exists: false, values: Map::new(&[]) }
}

answered! {
    /// Several secrets. No `Debug` output of [`Self::message`] shows a value.
    pub AllSecrets of SecretsResponse, else crate::message::SecretsResponse { secrets: Map::new(&[]) }
}

// === impl Secrets ===

impl Secrets<'_> {
    /// A secret, if it is there.
    ///
    /// # Errors
    /// The host's, among them that the actor may not read it.
    pub fn get(&self, secret: &str) -> Result<Option<Secret>> {
        let response =
            call_with(self.binding, Self::CONTRACT, "Get", |out| SecretRequest { secret }.encode(out))?;
        let answer = SecretAnswer::of("Get", response)?;
        Ok(answer.message().exists.then(|| Secret { answer, name: secret.into() }))
    }

    /// The secrets of these names that are there; of no names, all that the actor may read.
    ///
    /// # Errors
    /// The host's, among them that the actor may not read one.
    pub fn get_all(&self, names: &[&str]) -> Result<AllSecrets> {
        let names: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
        let request = SecretNames { secrets: List::new(&names) };
        let response = call_with(self.binding, Self::CONTRACT, "BulkGet", |out| request.encode(out))?;
        AllSecrets::of("BulkGet", response)
    }
}

// === impl Secret ===

impl Secret {
    /// The value of a secret that is a single one.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.key(&self.name)
    }

    /// The value under a key.
    #[must_use]
    pub fn key(&self, key: &str) -> Option<&str> {
        find(self.answer.message().values, key)
    }
}

// === impl AllSecrets ===

impl AllSecrets {
    /// The value under a key of a secret; that of a single value is the secret's own name.
    #[must_use]
    pub fn get(&self, secret: &str, key: &str) -> Option<&str> {
        let mut all = self.message().secrets.iter();
        all.find_map(|(name, values)| (name == secret).then(|| find(values, key))?)
    }

    /// The names of the secrets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.message().secrets.iter().map(|(name, _)| name)
    }
}

fn find<'a>(values: Map<'a, SecretText<'a>>, key: &str) -> Option<&'a str> {
    values.iter().find_map(|(name, value)| (name == key).then_some(value.expose()))
}
