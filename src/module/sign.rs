//! `pillion module sign`: an account vouches for a module.

use anyhow::{Context as _, Result, bail};
use pillion_host::identity::{self, ActorClaims, Claims, JWT_SECTION, KeyKind, WASMCLOUD_JWT_SECTION};

use super::arguments::{PeriodOptions, Section, SignOptions};
use super::file::{self, Existing};
use super::keys;
use crate::exit::{Exit, Usage};
use crate::out::say;

/// The revision of the format from which on the published crate `wascap` checks a module's hash. This project's own
/// check depends on none.
const REVISION: u32 = 3;

pub(super) fn sign(options: &SignOptions) -> Result<Exit> {
    let wasm = file::read(&options.module)?;
    let account = keys::secret(KeyKind::Account, options.account_key.as_deref())?;
    let module = match &options.subject {
        Some(key) => KeyKind::Module.public_key("sub", key)?,
        None => keys::secret(KeyKind::Module, options.module_key.as_deref())?,
    };
    let actor = ActorClaims {
        name: options.name.clone(),
        tags: options.tags.clone(),
        caps: options.caps.clone(),
        rev: options.rev,
        ver: options.ver.clone(),
        call_alias: options.call_alias.clone(),
        ..ActorClaims::default()
    };
    let mut claims = Claims::new(&account, &module, actor);
    claims.wascap_revision = Some(REVISION);
    options.period.limit(&mut claims)?;
    let section = match options.section {
        Section::Jwt => JWT_SECTION,
        Section::WasmcloudJwt => WASMCLOUD_JWT_SECTION,
    };
    let signed = identity::sign_in(&wasm, section, claims, &account)
        .with_context(|| options.module.display().to_string())?;
    file::write(&options.out, &signed, 0o666, Existing::Replaced)?;
    say!("module   {}\naccount  {}", module.public_key(), account.public_key());
    Ok(Exit::Fine)
}

// === impl PeriodOptions ===

impl PeriodOptions {
    /// Limits claims to the period, which is counted from when they were issued.
    pub(super) fn limit<Body>(&self, claims: &mut Claims<Body>) -> Result<()> {
        let issued = claims.iat;
        claims.nbf = self.not_before_in.map(|wait| issued.saturating_add(wait.as_secs()));
        claims.exp = self.expires_in.map(|time| issued.saturating_add(time.as_secs()));
        if claims.exp.is_some_and(|end| end <= claims.nbf.unwrap_or(issued)) {
            bail!(Usage(
                "it would never be valid: --expires-in must be longer than --not-before-in".to_owned()
            ));
        }
        Ok(())
    }
}
