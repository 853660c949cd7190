//! Binary values of gRPC's metadata, which are base64 in header fields: with padding or without.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// What the names of such fields end in.
pub(super) const SUFFIX: &str = "-bin";

/// Reads both forms, and writes the one with padding: Dapr's sidecars read no other in their messages.
const EITHER: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The values of a field, of which one may hold several; what is none is left out.
pub(super) fn values(field: &str) -> impl Iterator<Item = String> {
    field.split(',').filter_map(|value| Some(EITHER.encode(EITHER.decode(value.trim()).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_padding_and_what_is_none_is_left_out() {
        let all: Vec<String> = values("AP8, AP8=,!,,AAEC,A").collect();
        assert_eq!(all, ["AP8=", "AP8=", "", "AAEC"]);
    }
}
