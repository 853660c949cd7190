//! Trust as the command line gives it, and chains as it shows them.

use anyhow::{Context as _, Result, bail};
use pillion_host::identity::{Chain, IdentityError, Link, LinkError, Trust, Voucher};

use super::arguments::TrustOptions;
use super::file;
use super::text::plain;
use crate::exit::Usage;
use crate::out::say;

/// Whether the bytes are WebAssembly rather than a token.
pub(super) fn is_module(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm")
}

/// What is wrong, and which option of the command line would remedy it, if one does.
pub(super) fn remedy(broken: &IdentityError) -> String {
    let option = match broken {
        IdentityError::Untrusted(key) => {
            format!("by --issuer {key}, or by --operator O… with --token FILE for each token in between")
        }
        IdentityError::Link { key, reason: LinkError::Untrusted, .. } => format!("by --operator {key}"),
        IdentityError::Link { kind, reason: LinkError::Missing, .. } => {
            format!("by --token FILE, the token of the {kind}")
        }
        _ => return plain(&broken.to_string()),
    };
    format!("{}. Here that is done {option}", plain(&broken.to_string()))
}

/// The chain, one link a line, the root first.
pub(super) fn show(chain: &Chain) {
    for link in &chain.links {
        let name = link.name.as_deref().map(|name| format!(" ({})", plain(name))).unwrap_or_default();
        let (mark, verdict) = match &link.verdict {
            Ok(voucher) => ("ok     ", stands(*voucher, link)),
            // Which link it is stands on the line above.
            Err(IdentityError::Link { reason, .. }) => ("BROKEN ", plain(&reason.to_string())),
            Err(broken) => ("BROKEN ", plain(&broken.to_string())),
        };
        say!("{mark} {:<8} {}{name}\n                 {verdict}", link.kind, link.key);
    }
}

fn stands(voucher: Voucher, link: &Link) -> String {
    let issuer = link.issuer.as_deref().unwrap_or_default();
    match voucher {
        Voucher::TrustedOperator => "trusted as an operator; it signed for itself".to_owned(),
        Voucher::TrustedIssuer => "trusted as an issuer".to_owned(),
        Voucher::OwnKey => "signed with the key of the link above".to_owned(),
        Voucher::ValidSigner => format!("signed by {issuer}, a valid signer of the link above"),
    }
}

// === impl TrustOptions ===

impl TrustOptions {
    /// Trust as it was given. Every token must at least be properly signed.
    pub(super) fn trust(&self) -> Result<Trust> {
        let mut trust = Trust::from(self.issuers.iter().cloned().collect::<std::collections::HashSet<_>>());
        trust.operators.extend(self.operators.iter().cloned());
        for path in &self.tokens {
            let shown = || plain(&path.display().to_string());
            let text = file::read(path)?;
            let mut tokens = text.split(u8::is_ascii_whitespace).filter(|token| !token.is_empty()).peekable();
            if tokens.peek().is_none() {
                bail!(Usage(format!("{}: there is no token in it", shown())));
            }
            for token in tokens {
                trust.add(token).with_context(shown)?;
            }
        }
        Ok(trust)
    }
}
