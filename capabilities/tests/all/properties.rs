//! Sequences of operations, chosen at random: each answer must be the model's.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use pillion_capabilities::Error;
use pillion_capabilities::keyvalue::{Change, Entry, Etag, SetOptions, When};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::model::{self, Model, Plain, Version};
use crate::providers::{Store, runtime, with_memory, with_redb, with_redis};

#[derive(Clone, Debug)]
enum Step {
    Get(Key),
    Set(Key, Bytes, bool, Condition),
    Delete(Key, Condition),
    Exists(Key),
    Add(Key, i64),
    ListPush(Key, Bytes),
    ListRange(Key, i64, i64),
    ListRemove(Key, Bytes),
    ListClear(Key),
    SetAdd(Key, Bytes),
    SetRemove(Key, Bytes),
    SetMembers(Key),
    SetUnion(Vec<Key>),
    SetIntersection(Vec<Key>),
    BulkGet(Vec<Key>),
    Transact(Vec<(Key, Option<Bytes>, bool, Condition)>),
}

/// One of a few keys, so that steps meet.
type Key = usize;

#[derive(Clone, Copy, Debug)]
enum Condition {
    Always,
    Absent,
    /// The version that the key has, if it has one.
    Current,
    /// A version that the key had.
    Old,
    /// A version that nothing ever had.
    Never,
}

/// A provider and the model, side by side.
struct Pair {
    store: Store,
    model: Model,
    keys: Vec<String>,
    /// The etags seen so far, by key and the model's version.
    etags: BTreeMap<(String, Version), Etag>,
}

const NEVER: u64 = u64::MAX / 4;
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn memory() {
    with_memory(async |store| hold(store, 400));
}

#[test]
fn redis() {
    with_redis(async |store| hold(store, 60));
}

#[test]
fn redb() {
    with_redb(async |store| hold(store, 25));
}

fn hold(store: Store, cases: u32) {
    let check = move || {
        let case = std::cell::Cell::new(0);
        let runtime = runtime();
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let steps = prop::collection::vec(step(), 1..50);
        runner
            .run(&steps, |steps| {
                case.set(case.get() + 1);
                let keys = (0..4).map(|key| format!("{}:{key}", case.get())).collect();
                let mut pair =
                    Pair { store: store.clone(), model: Model::default(), keys, etags: BTreeMap::new() };
                for step in steps {
                    runtime.block_on(pair.take(step))?;
                }
                Ok(())
            })
            .unwrap();
    };
    // Its own runtime must not be started within the one that runs this test; the provider's stays that one.
    tokio::task::block_in_place(|| std::thread::scope(|scope| scope.spawn(check).join().unwrap()));
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..4_usize;
    let keys = || prop::collection::vec(0..4_usize, 0..4);
    let value = || {
        prop_oneof![
            Just(Bytes::from("a")),
            Just(Bytes::from("b")),
            Just(Bytes::from("41")),
            Just(Bytes::from(i64::MAX.to_string())),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from),
        ]
    };
    let condition = || {
        prop_oneof![
            3 => Just(Condition::Always),
            1 => Just(Condition::Absent),
            3 => Just(Condition::Current),
            1 => Just(Condition::Old),
            1 => Just(Condition::Never),
        ]
    };
    let change = (key(), prop::option::weighted(0.7, value()), any::<bool>(), condition());
    prop_oneof![
        key().prop_map(Step::Get),
        (key(), value(), any::<bool>(), condition()).prop_map(|(k, v, e, c)| Step::Set(k, v, e, c)),
        (key(), condition()).prop_map(|(k, c)| Step::Delete(k, c)),
        key().prop_map(Step::Exists),
        (key(), prop_oneof![-5..5_i64, any::<i64>()]).prop_map(|(k, d)| Step::Add(k, d)),
        (key(), value()).prop_map(|(k, v)| Step::ListPush(k, v)),
        (key(), -6..6_i64, -6..6_i64).prop_map(|(k, a, b)| Step::ListRange(k, a, b)),
        (key(), value()).prop_map(|(k, v)| Step::ListRemove(k, v)),
        key().prop_map(Step::ListClear),
        (key(), value()).prop_map(|(k, v)| Step::SetAdd(k, v)),
        (key(), value()).prop_map(|(k, v)| Step::SetRemove(k, v)),
        key().prop_map(Step::SetMembers),
        keys().prop_map(Step::SetUnion),
        keys().prop_map(Step::SetIntersection),
        keys().prop_map(Step::BulkGet),
        prop::collection::vec(change, 0..5).prop_map(Step::Transact),
    ]
}

impl Pair {
    async fn take(&mut self, step: Step) -> Result<(), TestCaseError> {
        let names = self.keys.clone();
        let key = |key: Key| names[key].as_str();
        let all = |keys: &[Key]| keys.iter().map(|key| names[*key].as_str()).collect::<Vec<_>>();
        let store = self.store.clone();
        match step {
            Step::Get(k) => {
                let (real, expected) = (store.get(key(k)).wait().await, self.model.get(key(k)));
                self.same_entry(key(k), real, expected)?;
            }
            Step::Set(k, value, expires, condition) => {
                let (when, model_when) = self.condition(key(k), condition).await?;
                let options = SetOptions { ttl: expires.then_some(LONG), when };
                let real = store.set(key(k), value.clone(), options).wait().await;
                match (real, self.model.set(key(k), value, expires, model_when)) {
                    (Ok(etag), Ok(version)) => self.same_etag(key(k), etag, version)?,
                    (real, expected) => prop_assert_eq!(real.map(drop), expected.map(drop)),
                }
            }
            Step::Delete(k, condition) => {
                let (when, model_when) = self.condition(key(k), condition).await?;
                let real = store.delete(key(k), when).wait().await;
                if when == When::Absent {
                    prop_assert!(matches!(real, Err(Error::InvalidArgument(_))), "{real:?}");
                } else {
                    prop_assert_eq!(real, self.model.delete(key(k), model_when));
                }
            }
            Step::Exists(k) => {
                prop_assert_eq!(store.exists(key(k)).wait().await, Ok(self.model.exists(key(k))));
            }
            Step::Add(k, delta) => {
                prop_assert_eq!(store.add(key(k), delta).wait().await, self.model.add(key(k), delta));
            }
            Step::ListPush(k, item) => {
                let real = store.list_push(key(k), item.clone()).wait().await;
                prop_assert_eq!(real, self.model.list_push(key(k), item));
            }
            Step::ListRange(k, start, stop) => {
                let real = store.list_range(key(k), start, stop).wait().await;
                prop_assert_eq!(real, self.model.list_range(key(k), start, stop));
            }
            Step::ListRemove(k, item) => {
                let real = store.list_remove(key(k), item.clone()).wait().await;
                prop_assert_eq!(real, self.model.list_remove(key(k), &item));
            }
            Step::ListClear(k) => {
                prop_assert_eq!(store.list_clear(key(k)).wait().await, self.model.list_clear(key(k)));
            }
            Step::SetAdd(k, member) => {
                let real = store.set_add(key(k), member.clone()).wait().await;
                prop_assert_eq!(real, self.model.set_add(key(k), member));
            }
            Step::SetRemove(k, member) => {
                let real = store.set_remove(key(k), member.clone()).wait().await;
                prop_assert_eq!(real, self.model.set_remove(key(k), &member));
            }
            Step::SetMembers(k) => {
                let real = store.set_members(key(k)).wait().await;
                prop_assert_eq!(
                    real,
                    self.model.members(key(k)).map(|members| members.into_iter().collect())
                );
            }
            Step::SetUnion(k) => {
                prop_assert_eq!(store.set_union(&all(&k)).wait().await, self.model.union(&all(&k)));
            }
            Step::SetIntersection(k) => {
                let real = store.set_intersection(&all(&k)).wait().await;
                prop_assert_eq!(real, self.model.intersection(&all(&k)));
            }
            Step::BulkGet(k) => {
                let real = store.bulk_get(&all(&k)).wait().await.unwrap();
                let expected = self.model.bulk_get(&all(&k));
                prop_assert_eq!(real.len(), expected.len());
                for ((k, real), expected) in k.into_iter().zip(real).zip(expected) {
                    self.same_entry(key(k), Ok(real), Ok(expected))?;
                }
            }
            Step::Transact(changes) => {
                let (mut real, mut expected) = (Vec::new(), Vec::new());
                for (k, value, expires, condition) in changes {
                    let (when, model_when) = self.condition(key(k), condition).await?;
                    let key = key(k).to_owned();
                    match value {
                        Some(value) => {
                            let options = SetOptions { ttl: expires.then_some(LONG), when };
                            real.push(Change::Set { key: key.clone(), value: value.clone(), options });
                            expected.push(model::Change::Set { key, value, expires, when: model_when });
                        }
                        None => {
                            real.push(Change::Delete { key: key.clone(), when });
                            expected.push(model::Change::Delete { key, when: model_when });
                        }
                    }
                }
                prop_assert_eq!(store.transact(real).wait().await, self.model.transact(&expected));
            }
        }
        Ok(())
    }

    /// A condition in the provider's terms and in the model's.
    async fn condition(
        &mut self,
        key: &str,
        condition: Condition,
    ) -> Result<(When, model::When), TestCaseError> {
        let never = (When::Matches(Etag(NEVER)), model::When::Matches(NEVER));
        Ok(match condition {
            Condition::Always => (When::Always, model::When::Always),
            Condition::Absent => (When::Absent, model::When::Absent),
            Condition::Never => never,
            Condition::Current => {
                let (real, expected) = (self.store.get(key).wait().await, self.model.get(key));
                self.same_entry(key, real.clone(), expected.clone())?;
                match (real, expected) {
                    (Ok(Some(entry)), Ok(Some(plain))) => {
                        (When::Matches(entry.etag), model::When::Matches(plain.version))
                    }
                    _ => never,
                }
            }
            Condition::Old => {
                let first = self.etags.range((key.to_owned(), 0)..).next();
                match first.filter(|((owner, _), _)| owner == key) {
                    Some(((_, version), etag)) => (When::Matches(*etag), model::When::Matches(*version)),
                    None => never,
                }
            }
        })
    }

    fn same_entry(
        &mut self,
        key: &str,
        real: pillion_capabilities::Result<Option<Entry>>,
        expected: pillion_capabilities::Result<Option<Plain>>,
    ) -> Result<(), TestCaseError> {
        match (real, expected) {
            (Ok(Some(entry)), Ok(Some(plain))) => {
                prop_assert_eq!(&entry.value, &plain.value);
                prop_assert_eq!(entry.expires.is_some(), plain.expires);
                self.same_etag(key, entry.etag, plain.version)
            }
            (real, expected) => {
                prop_assert_eq!(real.map(|entry| entry.is_some()), expected.map(|plain| plain.is_some()));
                Ok(())
            }
        }
    }

    /// An etag stands for one version of a key, and no other.
    fn same_etag(&mut self, key: &str, etag: Etag, version: Version) -> Result<(), TestCaseError> {
        let known = self.etags.iter().find(|((owner, _), known)| owner == key && **known == etag);
        if let Some(((_, earlier), _)) = known {
            prop_assert_eq!(*earlier, version, "etag {} was given out before", etag);
        }
        let first = *self.etags.entry((key.to_owned(), version)).or_insert(etag);
        prop_assert_eq!(first, etag, "one version has two etags");
        Ok(())
    }
}
