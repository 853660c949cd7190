//! How often a provider was reached, by operation.

use std::sync::atomic::{AtomicU64, Ordering};

/// One operation of the key-value contract, in the order of the trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is named after the method it counts")]
#[repr(usize)]
pub enum Operation {
    Get,
    Set,
    Delete,
    Exists,
    Add,
    ListPush,
    ListRange,
    ListRemove,
    ListClear,
    SetAdd,
    SetRemove,
    SetMembers,
    SetUnion,
    SetIntersection,
    BulkGet,
    Transact,
}

/// Calls that reached a provider, by operation, so that "reached exactly once" and "never reached" can be asserted.
#[derive(Debug, Default)]
pub struct Counters {
    calls: [AtomicU64; Operation::ALL.len()],
}

// === impl Operation ===

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 16] = [
        Self::Get,
        Self::Set,
        Self::Delete,
        Self::Exists,
        Self::Add,
        Self::ListPush,
        Self::ListRange,
        Self::ListRemove,
        Self::ListClear,
        Self::SetAdd,
        Self::SetRemove,
        Self::SetMembers,
        Self::SetUnion,
        Self::SetIntersection,
        Self::BulkGet,
        Self::Transact,
    ];

    /// The name used in metrics and records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Set => "set",
            Self::Delete => "delete",
            Self::Exists => "exists",
            Self::Add => "add",
            Self::ListPush => "list_push",
            Self::ListRange => "list_range",
            Self::ListRemove => "list_remove",
            Self::ListClear => "list_clear",
            Self::SetAdd => "set_add",
            Self::SetRemove => "set_remove",
            Self::SetMembers => "set_members",
            Self::SetUnion => "set_union",
            Self::SetIntersection => "set_intersection",
            Self::BulkGet => "bulk_get",
            Self::Transact => "transact",
        }
    }
}

// === impl Counters ===

impl Counters {
    /// Counts one call.
    #[inline]
    pub fn count(&self, operation: Operation) {
        if let Some(calls) = self.calls.get(operation as usize) {
            calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The calls of one operation so far.
    #[must_use]
    pub fn of(&self, operation: Operation) -> u64 {
        self.calls.get(operation as usize).map_or(0, |calls| calls.load(Ordering::Relaxed))
    }

    /// The calls of all operations so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum()
    }
}
