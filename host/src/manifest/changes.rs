//! What a reload changed, for people.

use std::fmt;

/// What a reload changed, as `labels, +provider store, ~actor M… (revision 1 → 2, bindings)`: `+` is before what came,
/// `-` before what went, and `~` before what is another now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<String>);

// === impl Changes ===

impl Changes {
    /// Whether nothing was changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The changes one by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(super) fn add(&mut self, change: impl Into<String>) {
        self.0.push(change.into());
    }

    /// Notes a change if there is one.
    pub(super) fn note(&mut self, changed: bool, what: &str) {
        if changed {
            self.add(what);
        }
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing");
        }
        f.write_str(&self.0.join(", "))
    }
}
