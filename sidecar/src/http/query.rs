//! The query string.

use crate::state::Metadata;

/// The parameters of a query string, decoded, in their order. Empty for an empty string or a lone `?`.
pub(super) fn parameters(
    query: &str,
) -> impl Iterator<Item = (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)> {
    form_urlencoded::parse(query.as_bytes())
}

/// The first value of a parameter.
pub(super) fn parameter(query: &str, name: &str) -> Option<String> {
    parameters(query).find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

/// Puts what `metadata.<name>` parameters say over the metadata of a body.
pub(super) fn merge_metadata(query: &str, metadata: &mut Metadata) {
    for (name, value) in parameters(query) {
        if let Some(name) = name.strip_prefix("metadata.") {
            // What reads it takes names in any case.
            metadata.retain(|known, _| !known.eq_ignore_ascii_case(name));
            metadata.insert(name.to_owned(), value.into_owned());
        }
    }
}
