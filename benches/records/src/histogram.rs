//! Histograms as text: HdrHistogram V2 deflate, base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};

use crate::RecordError;

/// The largest sample that a histogram holds: 100 s in picoseconds. A longer one is recorded as this.
pub const LARGEST_PS: u64 = 100_000_000_000_000;

/// An empty histogram of picoseconds with three significant digits.
///
/// # Errors
/// Never with these bounds; the library's constructor is fallible.
pub fn empty() -> Result<Histogram<u64>, RecordError> {
    Histogram::new_with_bounds(1, LARGEST_PS, 3).map_err(|error| RecordError::Histogram(error.to_string()))
}

/// Encodes a histogram as text.
///
/// # Errors
/// The library's, as text.
pub fn encode(histogram: &Histogram<u64>) -> Result<String, RecordError> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .map_err(|error| RecordError::Histogram(error.to_string()))?;
    Ok(STANDARD.encode(bytes))
}

/// Decodes a histogram from text.
///
/// # Errors
/// The text is not base64, or not a histogram.
pub fn decode(text: &str) -> Result<Histogram<u64>, RecordError> {
    let bytes = STANDARD.decode(text).map_err(|error| RecordError::Histogram(error.to_string()))?;
    Deserializer::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| RecordError::Histogram(error.to_string()))
}
