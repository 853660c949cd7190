//! `pillion module token`: an operator vouches for an account or a cluster, or says who it is.

use anyhow::Result;
use pillion_host::identity::{self, Claims, KeyKind, SignerClaims};

use super::arguments::TokenOptions;
use super::file::{self, Existing};
use super::keys;
use crate::exit::{Exit, Usage};
use crate::out::say;

pub(super) fn token(options: &TokenOptions) -> Result<Exit> {
    let operator = keys::secret(KeyKind::Operator, options.operator_key.as_deref())?;
    let own = operator.public_key();
    // What an operator's token is about, `issue` checks: it is the operator itself.
    let subject = options.subject.as_ref().unwrap_or(&own);
    let subject = options.kind.public_key("sub", subject).map_err(|_| {
        Usage(format!("--subject {subject}: this is not a public key of kind {}", options.kind))
    })?;
    let body = SignerClaims { name: options.name.clone(), valid_signers: options.signers.clone() };
    let mut claims = Claims::new(&operator, &subject, body);
    options.period.limit(&mut claims)?;
    let token = identity::issue(&claims, &operator)?;
    match &options.out {
        Some(path) => file::write(path, format!("{token}\n").as_bytes(), 0o666, Existing::Replaced)?,
        None => say!("{token}"),
    }
    Ok(Exit::Fine)
}
