//! Ids of apps as labels. They are whatever callers say, and so are bounded in number and length.

/// So many of one kind are told apart at most.
pub(super) const MOST: usize = 1000;
/// The name of all others.
pub(super) const OTHER: &str = "other";
/// What is longer than a host's name may be (RFC 1035), of which an id becomes a part, is no app's.
const LONGEST: usize = 253;

/// An app's id as it is told.
pub(super) fn label(id: &str) -> &str {
    if id.len() <= LONGEST { id } else { OTHER }
}
