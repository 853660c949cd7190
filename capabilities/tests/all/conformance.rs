//! The promises of the contract that a single caller can see.

use std::time::Duration;

use bytes::Bytes;
use pillion_capabilities::keyvalue::{Change, Etag, SetOptions, When};
use pillion_capabilities::{Answer, Error, Operation};

use crate::providers::{Store, for_each_provider};

for_each_provider! {
    many_keys_are_read_each_for_itself,
    any_bytes_come_back,
    bad_arguments_are_refused,
    big_integers_are_exact,
    calls_are_counted,
    etags_are_never_reused,
    readiness_is_as_said,
    transactions_are_all_or_nothing,
}

fn when(when: When) -> SetOptions {
    SetOptions { when, ttl: None }
}

async fn any_bytes_come_back(store: Store) {
    let every_byte: Vec<u8> = (0..=255).collect();
    for value in [Bytes::new(), every_byte.into(), vec![7; 1 << 20].into()] {
        for key in ["key", "ключ||a:b/c d\n", "\0"] {
            let etag = store.set(key, value.clone(), SetOptions::default()).wait().await.unwrap();
            let entry = store.get(key).wait().await.unwrap().unwrap();
            assert_eq!((entry.value, entry.etag, entry.expires), (value.clone(), etag, None));
        }
        store.list_clear("list").wait().await.unwrap();
        store.list_push("list", value.clone()).wait().await.unwrap();
        store.set_add("set", value.clone()).wait().await.unwrap();
        assert_eq!(store.list_range("list", 0, -1).wait().await.unwrap(), [value]);
    }
    assert_eq!(store.set_members("set").wait().await.unwrap().len(), 3);
}

async fn bad_arguments_are_refused(store: Store) {
    let value = Bytes::from_static(b"v");
    let zero = SetOptions { ttl: Some(Duration::ZERO), ..SetOptions::default() };
    let endless = SetOptions { ttl: Some(Duration::MAX), ..SetOptions::default() };
    let set = |options| Change::Set { key: "k".to_owned(), value: value.clone(), options };
    let refused = [
        store.get("").wait().await.map(drop),
        store.set("", value.clone(), SetOptions::default()).wait().await.map(drop),
        store.set("k", value.clone(), zero).wait().await.map(drop),
        store.set("k", value.clone(), endless).wait().await.map(drop),
        store.delete("", When::Always).wait().await.map(drop),
        store.delete("k", When::Absent).wait().await.map(drop),
        store.exists("").wait().await.map(drop),
        store.add("", 1).wait().await.map(drop),
        store.list_push("", value.clone()).wait().await.map(drop),
        store.list_range("", 0, -1).wait().await.map(drop),
        store.list_remove("", value.clone()).wait().await.map(drop),
        store.list_clear("").wait().await.map(drop),
        store.set_add("", value.clone()).wait().await.map(drop),
        store.set_remove("", value.clone()).wait().await.map(drop),
        store.set_members("").wait().await.map(drop),
        store.set_union(&["k", ""]).wait().await.map(drop),
        store.set_intersection(&["k", ""]).wait().await.map(drop),
        store.bulk_get(&["k", ""]).wait().await.map(drop),
        store.transact(vec![set(SetOptions::default()), set(zero)]).wait().await,
    ];
    for (number, result) in refused.into_iter().enumerate() {
        assert!(matches!(result, Err(Error::InvalidArgument(_))), "{number}: {result:?}");
    }
    assert!(!store.exists("k").wait().await.unwrap(), "a refused call changed something");
    assert_eq!(store.set_union(&[]).wait().await.unwrap(), Vec::<Bytes>::new());
    assert_eq!(store.set_intersection(&[]).wait().await.unwrap(), Vec::<Bytes>::new());
    assert_eq!(store.bulk_get(&[]).wait().await.unwrap(), []);
    assert_eq!(store.transact(Vec::new()).wait().await, Ok(()));
}

async fn big_integers_are_exact(store: Store) {
    let near = i64::MAX - 1;
    assert_eq!(store.add("n", near).wait().await, Ok(near));
    assert_eq!(store.add("n", 1).wait().await, Ok(i64::MAX));
    assert_eq!(store.add("n", 1).wait().await, Err(Error::Overflow { key: "n".to_owned() }));
    assert_eq!(store.get("n").wait().await.unwrap().unwrap().value, i64::MAX.to_string());
    assert_eq!(store.add("m", i64::MIN).wait().await, Ok(i64::MIN));
    for text in ["", "1.5", "+1", "007", " 1", "-0", "9223372036854775808"] {
        store.set("t", text.into(), SetOptions::default()).wait().await.unwrap();
        let refused = Err(Error::NotAnInteger { key: "t".to_owned() });
        assert_eq!(store.add("t", 1).wait().await, refused, "{text:?}");
    }
}

async fn calls_are_counted(store: Store) {
    let value = Bytes::from_static(b"v");
    for _ in 0..3 {
        store.get("k").wait().await.unwrap();
    }
    store.set("k", value.clone(), SetOptions::default()).wait().await.unwrap();
    store.set("k", value.clone(), when(When::Absent)).wait().await.unwrap_err();
    store.exists("k").wait().await.unwrap();
    store.add("n", 1).wait().await.unwrap();
    store.delete("k", When::Always).wait().await.unwrap();
    store.list_push("l", value.clone()).wait().await.unwrap();
    store.list_range("l", 0, -1).wait().await.unwrap();
    store.list_remove("l", value.clone()).wait().await.unwrap();
    store.list_clear("l").wait().await.unwrap();
    store.set_add("s", value.clone()).wait().await.unwrap();
    store.set_members("s").wait().await.unwrap();
    store.set_union(&["s"]).wait().await.unwrap();
    store.set_intersection(&["s"]).wait().await.unwrap();
    store.set_remove("s", value).wait().await.unwrap();
    store.bulk_get(&["k", "n"]).wait().await.unwrap();
    store.transact(Vec::new()).wait().await.unwrap();
    for &operation in Operation::ALL {
        let expected = match operation {
            Operation::Get => 3,
            Operation::Set => 2,
            _ => 1,
        };
        assert_eq!(store.counters().of(operation), expected, "{}", operation.name());
    }
    assert_eq!(store.counters().total(), 19);
}

async fn etags_are_never_reused(store: Store) {
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..20 {
        for delta in 0..3 {
            let etag = store.set("k", "1".into(), SetOptions::default()).wait().await.unwrap();
            assert!(seen.insert(etag), "round {round}: {etag} was given out before");
            store.add("k", delta).wait().await.unwrap();
            let etag = store.get("k").wait().await.unwrap().unwrap().etag;
            assert!(seen.insert(etag), "round {round}: add gave out {etag} again");
        }
        if round % 2 == 0 {
            store.delete("k", When::Always).wait().await.unwrap();
        } else {
            let set = |value: &'static str| Change::Set {
                key: "k".to_owned(),
                value: value.into(),
                options: SetOptions::default(),
            };
            let delete = Change::Delete { key: "k".to_owned(), when: When::Always };
            store.transact(vec![delete.clone(), set("1"), delete, set("2")]).wait().await.unwrap();
            let etag = store.get("k").wait().await.unwrap().unwrap().etag;
            assert!(seen.insert(etag), "round {round}: a transaction gave out {etag} again");
        }
    }
}

async fn readiness_is_as_said(store: Store) {
    assert_eq!(store.always_ready(), store.name() == "memory");
    let answer = store.set("k", "v".into(), SetOptions::default());
    assert_eq!(matches!(answer, Answer::Ready(_)), store.always_ready());
    answer.wait().await.unwrap();
}

async fn transactions_are_all_or_nothing(store: Store) {
    let etag = store.set("a", "1".into(), SetOptions::default()).wait().await.unwrap();
    let set = |key: &str, value: &'static str, when| Change::Set {
        key: key.to_owned(),
        value: value.into(),
        options: SetOptions { when, ttl: None },
    };
    let delete = |key: &str, when| Change::Delete { key: key.to_owned(), when };
    let wrong = Etag(etag.0.wrapping_add(77));

    let failing = vec![
        set("a", "2", When::Matches(etag)),
        set("b", "2", When::Absent),
        delete("c", When::Matches(wrong)),
    ];
    let mismatch = |key: &str| Err(Error::EtagMismatch { key: key.to_owned() });
    assert_eq!(store.transact(failing).wait().await, mismatch("c"));
    assert_eq!(store.get("a").wait().await.unwrap().unwrap().etag, etag);
    assert!(!store.exists("b").wait().await.unwrap());

    // A condition sees the changes before it, and cannot know the version that one of them makes.
    let own = vec![set("a", "2", When::Matches(etag)), set("a", "3", When::Matches(etag))];
    assert_eq!(store.transact(own).wait().await, mismatch("a"));
    // A deletion on condition of absence guards the changes around it.
    let guarded = vec![set("b", "2", When::Always), delete("a", When::Absent)];
    assert_eq!(store.transact(guarded).wait().await, mismatch("a"));
    assert!(!store.exists("b").wait().await.unwrap());
    let fine = vec![
        delete("a", When::Matches(etag)),
        set("a", "4", When::Absent),
        delete("none", When::Always),
        delete("none", When::Absent),
    ];
    assert_eq!(store.transact(fine).wait().await, Ok(()));
    assert_eq!(store.get("a").wait().await.unwrap().unwrap().value, "4");
}

async fn many_keys_are_read_each_for_itself(store: Store) {
    let etag = store.set("k", "v".into(), SetOptions::default()).wait().await.unwrap();
    store.list_push("l", "x".into()).wait().await.unwrap();
    store.set_add("s", "x".into()).wait().await.unwrap();
    let before = store.counters().total();
    let each = store.bulk_get_each(&["l", "k", "none", "s"]).wait().await.unwrap();
    assert_eq!(store.counters().total() - before, 1);
    assert_eq!(each[1].as_ref().unwrap().as_ref().unwrap().etag, etag);
    assert_eq!(each[2], Ok(None));
    for (at, key) in [(0, "l"), (3, "s")] {
        let error = store.get(key).wait().await.unwrap_err();
        assert!(matches!(&error, Error::WrongType { key: told, .. } if told == key), "{error}");
        assert_eq!(each[at], Err(error));
    }
    // Where no errors are wanted, they are as good as missing.
    let entries = store.bulk_get(&["l", "k", "none", "s"]).wait().await.unwrap();
    assert_eq!(entries, each.into_iter().map(Result::unwrap_or_default).collect::<Vec<_>>());
    assert!(store.bulk_get_each(&["k", ""]).wait().await.is_err());
}
