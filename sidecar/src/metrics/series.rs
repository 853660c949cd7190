//! Counts by names that callers invent, and so bounded in number and length.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// So many of one kind are told apart at most.
pub(super) const MOST: usize = 1000;
/// The name of all others.
pub(super) const OTHER: &str = "other";
/// A longer name is no app's, whose id becomes a part of a host's name (RFC 1035), nor a topic that a person reads.
const LONGEST: usize = 253;

/// What is counted by a name, and by what such counts are told apart by beside it.
#[derive(Debug)]
pub(super) struct Series<K, T>(RwLock<Known<K, T>>);

#[derive(Debug)]
struct Known<K, T> {
    names: BTreeMap<String, Vec<(K, Arc<T>)>>,
    /// How many there are.
    count: usize,
}

// === impl Series ===

impl<K, T: Default> Series<K, T> {
    /// Counts something by this name, or by that of all others where there are too many. `sort` becomes a `K` where it is
    /// the first of its kind.
    pub(super) fn with<R>(
        &self,
        name: &str,
        sort: impl PartialEq<K> + Into<K>,
        count: impl FnOnce(&Arc<T>) -> R,
    ) -> R {
        let name = if name.len() <= LONGEST { name } else { OTHER };
        if let Some(found) = self.read().find(name, &sort) {
            return count(found);
        }
        let found = self.0.write().unwrap_or_else(PoisonError::into_inner).add(name, sort);
        count(&found)
    }

    /// What was counted, by name.
    pub(super) fn all(&self) -> Vec<(String, K, Arc<T>)>
    where
        K: Clone,
    {
        let known = self.read();
        let all = known.names.iter().flat_map(|(name, sorts)| {
            sorts.iter().map(move |(sort, counted)| (name.clone(), sort.clone(), Arc::clone(counted)))
        });
        all.collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Known<K, T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, T> Default for Series<K, T> {
    fn default() -> Self {
        Self(RwLock::new(Known { names: BTreeMap::new(), count: 0 }))
    }
}

// === impl Known ===

impl<K, T: Default> Known<K, T> {
    fn find(&self, name: &str, sort: &impl PartialEq<K>) -> Option<&Arc<T>> {
        self.names.get(name)?.iter().find(|(known, _)| sort == known).map(|(_, counted)| counted)
    }

    fn add(&mut self, name: &str, sort: impl PartialEq<K> + Into<K>) -> Arc<T> {
        let name = if self.count < MOST || self.find(name, &sort).is_some() { name } else { OTHER };
        if let Some(found) = self.find(name, &sort) {
            return Arc::clone(found);
        }
        self.count += 1;
        let counted = Arc::<T>::default();
        self.names.entry(name.to_owned()).or_default().push((sort.into(), Arc::clone(&counted)));
        counted
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn names_are_bounded() {
        let series = Series::<bool, AtomicU64>::default();
        let add =
            |name: &str, sort: bool| series.with(name, sort, |count| count.fetch_add(1, Ordering::Relaxed));
        for number in 0..5_000 {
            add(&number.to_string(), true);
        }
        add("5", true);
        // Another sort of one that is known is one more.
        add("5", false);
        add(&"5".repeat(1_000), true);
        let all = series.all();
        assert_eq!(all.len(), MOST + 2);
        let counts = |name: &str| -> Vec<_> {
            let of = all.iter().filter(|(known, ..)| known == name);
            of.map(|(_, sort, count)| (*sort, count.load(Ordering::Relaxed))).collect()
        };
        assert_eq!(counts("5"), [(true, 2)]);
        assert_eq!(counts(OTHER), [(true, 4_001), (false, 1)]);
    }
}
