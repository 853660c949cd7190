//! `pillion module inspect`: what a module's token, or a token alone, says.

use std::time::SystemTime;

use anyhow::{Context as _, Result};
use pillion_host::identity::{self, ActorClaims, Claims, SignerClaims, Token, Validity};
use serde_json::json;

use super::arguments::InspectOptions;
use super::text::{date, plain};
use super::{file, trust};
use crate::exit::Exit;
use crate::out::say;

pub(super) fn inspect(options: &InspectOptions) -> Result<Exit> {
    let bytes = file::read(&options.file)?;
    let shown = || plain(&options.file.display().to_string());
    let now = SystemTime::now();
    let (token, fits) = if trust::is_module(&bytes) {
        let claims = identity::extract(&bytes).with_context(shown)?;
        let fits = identity::hash(&bytes).with_context(shown)? == claims.wascap.hash;
        (Token::Module(claims), Some(fits))
    } else {
        (Token::decode(bytes.trim_ascii()).with_context(shown)?, None)
    };
    let validity = match &token {
        Token::Module(claims) => claims.validity(now),
        Token::Account(claims) | Token::Operator(claims) | Token::Cluster(claims) => claims.validity(now),
    };
    let word = match validity {
        Validity::Valid => "valid",
        Validity::NotYet { .. } => "not-yet-valid",
        Validity::Expired { .. } => "expired",
    };
    if options.json {
        let mut shown = json!({ "kind": token.kind(), "validity": word, "claims": token });
        if let Some(fits) = fits {
            shown["hash_fits"] = fits.into();
        }
        say!("{}", serde_json::to_string_pretty(&shown)?);
        return Ok(Exit::Fine);
    }
    match &token {
        Token::Module(claims) => {
            show(&token, claims, word);
            show_actor(&claims.wascap, fits);
        }
        Token::Account(claims) | Token::Operator(claims) | Token::Cluster(claims) => {
            show(&token, claims, word);
            show_signer(&claims.wascap);
        }
    }
    say!(
        "\nThe signature is the issuer's. Whether to trust the issuer, `pillion module verify` and `chain` tell."
    );
    Ok(Exit::Fine)
}

fn show<Body>(token: &Token, claims: &Claims<Body>, validity: &str) {
    row(&token.kind().to_string(), &claims.sub);
    row("issuer", &claims.iss);
    row("token", &claims.jti);
    row("issued", &date(claims.iat));
    if let Some(begin) = claims.nbf {
        row("valid from", &date(begin));
    }
    row("valid until", &claims.exp.map_or_else(|| "for ever".to_owned(), date));
    row("now", validity);
}

fn show_actor(actor: &ActorClaims, fits: Option<bool>) {
    let texts = [("name", &actor.name), ("version", &actor.ver), ("call alias", &actor.call_alias)];
    for (label, text) in texts {
        if let Some(text) = text {
            row(label, text);
        }
    }
    if let Some(revision) = actor.rev {
        row("revision", &revision.to_string());
    }
    row("grants", &listed(&actor.caps));
    row("tags", &listed(&actor.tags));
    if actor.prov {
        row("is", "a capability provider");
    }
    row("hash", &actor.hash);
    match fits {
        Some(true) => row("", "which is that of the module"),
        Some(false) => {
            row("", "which is NOT that of the module: the token was made for another one, or it was changed")
        }
        None => row("", "the token is alone: no module to compare it with"),
    }
}

fn show_signer(signer: &SignerClaims) {
    if let Some(name) = &signer.name {
        row("name", name);
    }
    row("signers", &listed(&signer.valid_signers));
}

fn listed(texts: &[String]) -> String {
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

fn row(label: &str, text: &str) {
    say!("{label:<12} {}", plain(text));
}
