//! The custom sections that hold a token, and the module without them.

use std::ops::Range;

use sha2::{Digest, Sha256};
use wasm_encoder::Encode as _;
use wasmparser::{Chunk, Encoding, Parser, Payload};

use super::IdentityError;

/// The section of waSCC's signers.
pub const JWT_SECTION: &str = "jwt";
/// The section of the later signers, of wasmCloud.
pub const WASMCLOUD_JWT_SECTION: &str = "wasmcloud_jwt";

/// Where a module's tokens are.
pub(super) struct Sections<'a> {
    wasm: &'a [u8],
    /// Each token, and the bytes of the whole section around it.
    tokens: Vec<(&'a [u8], Range<usize>)>,
}

// === impl Sections ===

impl<'a> Sections<'a> {
    /// Walks the sections of a module. It reads nothing beyond the bytes, whatever lengths they state.
    pub(super) fn parse(wasm: &'a [u8]) -> Result<Self, IdentityError> {
        let not_a_module =
            |error: wasmparser::BinaryReaderError| IdentityError::NotAModule(error.to_string());
        let mut parser = Parser::new(0);
        let mut tokens = Vec::new();
        let mut at = 0;
        loop {
            let rest = wasm.get(at..).unwrap_or_default();
            let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).map_err(not_a_module)? else {
                return Err(IdentityError::NotAModule("it ends in the middle of a section".to_owned()));
            };
            let section = at..at + consumed;
            at = section.end;
            match payload {
                Payload::Version { encoding: Encoding::Component, .. } => {
                    return Err(IdentityError::NotAModule("it is a component, not a core module".to_owned()));
                }
                Payload::CustomSection(custom) if is_token(custom.name()) => {
                    tokens.push((custom.data(), section))
                }
                Payload::CodeSectionStart { size, .. } => {
                    parser.skip_section();
                    at = at.saturating_add(size as usize);
                    if at > wasm.len() {
                        return Err(IdentityError::NotAModule("its code section ends beyond it".to_owned()));
                    }
                }
                Payload::End(_) => return Ok(Self { wasm, tokens }),
                _ => {}
            }
        }
    }

    /// The one token.
    pub(super) fn token(&self) -> Result<&'a [u8], IdentityError> {
        match self.tokens.as_slice() {
            [] => Err(IdentityError::Unsigned),
            [(token, _)] => Ok(token),
            more => Err(IdentityError::DuplicateToken(more.len())),
        }
    }

    /// The module without its tokens, byte for byte.
    pub(super) fn without_tokens(&self) -> Vec<u8> {
        let mut bare = Vec::with_capacity(self.wasm.len());
        let mut at = 0;
        for (_, section) in &self.tokens {
            bare.extend_from_slice(&self.wasm[at..section.start]);
            at = section.end;
        }
        bare.extend_from_slice(&self.wasm[at..]);
        bare
    }
}

/// The module with the length of each section written as shortly as it can be, as every signer of the original's line
/// leaves it: the published crate hashes that form, whatever the module has. Nothing else is changed.
pub(super) fn canonical(bare: &[u8]) -> Result<Vec<u8>, IdentityError> {
    let not_a_module = |error: wasmparser::BinaryReaderError| IdentityError::NotAModule(error.to_string());
    let mut canonical = Vec::with_capacity(bare.len());
    for payload in Parser::new(0).parse_all(bare) {
        let payload = payload.map_err(not_a_module)?;
        if let Payload::Version { range, .. } = &payload {
            canonical.extend_from_slice(part(bare, range));
        } else if let Some((id, range)) = payload.as_section() {
            canonical.push(id);
            part(bare, &range).encode(&mut canonical);
        }
    }
    Ok(canonical)
}

fn part<'a>(bytes: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    let place = |at| usize::try_from(at).unwrap_or(usize::MAX);
    bytes.get(place(range.start)..place(range.end)).unwrap_or_default()
}

/// The hash that claims state: SHA-256 of the module without its token, in upper-case hexadecimal.
pub(super) fn module_hash(bare: &[u8]) -> String {
    data_encoding::HEXUPPER.encode(&Sha256::digest(bare))
}

pub(super) fn is_token(section: &str) -> bool {
    section == JWT_SECTION || section == WASMCLOUD_JWT_SECTION
}
