//! The client of keys and values, and the store that tests have for it.

use pillion_sdk::testing::Host;
use pillion_sdk::{KeyValue, Kind, Values};

const STORE: KeyValue<'_> = KeyValue::new();

fn texts(values: &Values) -> Vec<&str> {
    values.iter().map(|value| str::from_utf8(value).unwrap()).collect()
}

#[test]
fn values_come_back_as_they_were_set() {
    let host = Host::new();
    let large = vec![0xff; 1 << 20];
    host.run(|| {
        assert!(STORE.get("k").unwrap().is_none());
        for value in [&b""[..], b"text", b"\x00\xff", &large] {
            STORE.set("k", value).unwrap();
            assert_eq!(STORE.get("k").unwrap().as_deref(), Some(value));
        }
        // Two answers at a time: the buffer of the first is not the second's.
        STORE.set("other", b"second").unwrap();
        let (first, second) = (STORE.get("k").unwrap().unwrap(), STORE.get("other").unwrap().unwrap());
        assert_eq!((&*first, &*second), (&large[..], &b"second"[..]));
        STORE.set_for("short", b"v", 60).unwrap();
        assert!(STORE.exists("short").unwrap());
        STORE.delete("short").unwrap();
        assert!(!STORE.exists("short").unwrap());
        STORE.set_for("short", b"v", 60).unwrap();
    });
    assert_eq!((host.seconds("short"), host.seconds("k")), (Some(60), Some(0)));
}

#[test]
fn counters_add_up_within_the_contract() {
    let host = Host::new();
    host.set("text", b"text");
    host.set("full", i64::MAX.to_string().as_bytes());
    host.run(|| {
        assert_eq!(STORE.add("n", 5), Ok(5));
        assert_eq!(STORE.add("n", -7), Ok(-2));
        assert_eq!(STORE.add("n", i64::from(i32::MAX)), Ok(2_147_483_645));
        let error = STORE.add("n", 1 << 31).unwrap_err();
        assert!(error.kind() == Kind::Actor && error.text().contains("32 bits"), "{error}");
        let error = STORE.add("text", 1).unwrap_err();
        assert_eq!(error.text(), "the value of key text is not an integer of 64 bits");
        assert_eq!(STORE.add("full", 1).unwrap_err().kind(), Kind::Host);
    });
    assert_eq!(host.value("n").unwrap(), b"2147483645");
}

#[test]
fn lists_keep_their_order() {
    Host::new().run(|| {
        for (count, item) in (1..).zip(["a", "b", "a", "c"]) {
            assert_eq!(STORE.push("l", item.as_bytes()), Ok(count));
        }
        for (start, stop, expected) in
            [(0, -1, "abac"), (1, 2, "ba"), (-2, -1, "ac"), (-9, 0, "a"), (2, 1, ""), (9, 12, "")]
        {
            assert_eq!(texts(&STORE.range("l", start, stop).unwrap()).concat(), expected);
        }
        assert_eq!(STORE.list_remove("l", b"a"), Ok(2));
        assert_eq!(texts(&STORE.range("l", 0, -1).unwrap()), ["b", "c"]);
        STORE.clear("l").unwrap();
        assert!(STORE.range("l", 0, -1).unwrap().is_empty() && !STORE.exists("l").unwrap());
    });
}

#[test]
fn sets_have_each_member_once() {
    Host::new().run(|| {
        for (set, members) in [("one", "abca"), ("two", "bcd")] {
            for member in members.chars() {
                STORE.set_add(set, member.to_string().as_bytes()).unwrap();
            }
        }
        assert_eq!(texts(&STORE.members("one").unwrap()), ["a", "b", "c"]);
        assert_eq!(texts(&STORE.union(&["one", "two", "none"]).unwrap()).concat(), "abcd");
        assert_eq!(texts(&STORE.intersection(&["one", "two"]).unwrap()).concat(), "bc");
        assert_eq!(STORE.intersection(&[]).unwrap().len(), 0);
        assert_eq!(STORE.set_remove("two", b"b"), Ok(2));
        let error = STORE.push("two", b"item").unwrap_err();
        assert_eq!(error.text(), "key two holds a set, not a list");
        assert_eq!(STORE.get("two").unwrap_err().text(), "key two holds a set, not a value");
    });
}

#[test]
fn bindings_have_stores_of_their_own_and_must_be_there() {
    let host = Host::new();
    host.bind("cache");
    host.set("k", b"default");
    host.set_in("cache", "k", b"cached");
    host.run(|| {
        assert_eq!(STORE.get("k").unwrap().as_deref(), Some(&b"default"[..]));
        assert_eq!(KeyValue::bound("").get("k").unwrap().as_deref(), Some(&b"default"[..]));
        assert_eq!(KeyValue::bound("cache").get("k").unwrap().as_deref(), Some(&b"cached"[..]));
        let error = KeyValue::bound("elsewhere").get("k").unwrap_err();
        assert!(error.text().contains("under the binding \"elsewhere\""), "{error}");
    });
    assert_eq!(host.value_in("cache", "k").unwrap(), b"cached");
}

#[test]
fn denied_and_failing_calls_say_so_and_harm_no_later_one() {
    let host = Host::new();
    host.set("k", b"v");
    host.deny("wascc:keyvalue");
    let error = host.run(|| STORE.get("k")).unwrap_err();
    assert!(error.kind() == Kind::Host && error.text().contains("do not grant wascc:keyvalue"), "{error}");
    host.mend();
    host.fail("wascc:keyvalue", "Set", "the disk is full");
    host.run(|| {
        assert_eq!(STORE.set("k", b"w").unwrap_err().text(), "the disk is full");
        assert_eq!(STORE.get("k").unwrap().as_deref(), Some(&b"v"[..]));
    });
    assert_eq!(host.calls().len(), 3);
}
