//! Each call of each client of the SDK: in a signed actor on a host with providers, and over the SDK's own host for tests,
//! which must answer alike.

mod answers;
// What a host runs as a module is what the host for tests runs natively.
#[path = "../../../../actors/sdk/examples/everything.rs"]
mod everything;
mod refusals;
mod worlds;

use tokio::net::TcpSocket;

use answers::{BLOBS, KEYS_AND_VALUES, Row, SERVERS};
use worlds::{Fake, Real, World};

/// Both, each with nothing in its stores.
fn worlds() -> [Box<dyn World>; 2] {
    [Box::new(Real::open()), Box::new(Fake::open())]
}

fn ask(world: &dyn World, operation: &str, payload: &str) -> Result<String, String> {
    let payload = payload.replace("{server}", world.server()).replace("{actor}", world.actor());
    let answer = world.call(operation, payload.replace("{other}", world.other()).as_bytes())?;
    Ok(String::from_utf8(answer).unwrap())
}

fn done(world: &dyn World, operation: &str, payload: &str) -> String {
    ask(world, operation, payload)
        .unwrap_or_else(|error| panic!("{} {operation} {payload}: {error}", world.name()))
}

/// Asks in this order, and tells all that is answered otherwise.
fn check(world: &dyn World, rows: &[Row<'_>]) {
    let mut wrong = Vec::new();
    for (operation, payload, expected) in rows {
        let answer = ask(world, operation, payload);
        if answer.as_deref().map_err(String::as_str) != *expected {
            wrong.push(format!("{operation} {payload:?}: {answer:?} and not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", world.name(), wrong.join("\n"));
}

fn delivered(world: &dyn World, expected: &[String]) {
    let delivered: Vec<_> =
        world.delivered(expected.len()).iter().map(|it| it.escape_ascii().to_string()).collect();
    assert_eq!(delivered, expected, "{}", world.name());
}

#[test]
fn keys_and_values() {
    for world in worlds() {
        check(&*world, KEYS_AND_VALUES);
        // Beyond what the SDK keeps buffers for, and no text.
        for size in [0, 1, 300, 100_000, 1 << 20] {
            let value: Vec<u8> = (0..=255).rev().cycle().take(size).collect();
            world.call("keyvalue.set", &[b"default large ", &value[..]].concat()).unwrap();
            assert!(
                world.call("keyvalue.get", b"default large").unwrap() == value,
                "{} {size}",
                world.name()
            );
        }
    }
}

#[test]
fn messages() {
    for world in worlds() {
        let world = &*world;
        let nobody =
            "nobody replied on topic questions within 0ns; see that a subscriber runs, or wait longer";
        check(
            world,
            &[
                ("messaging.publish", "default inbox one", Ok("")),
                ("messaging.publish", "second inbox elsewhere", Ok("")),
                ("messaging.publish_for_reply", "default inbox answers two words", Ok("")),
                ("messaging.publish", "default nobody three", Ok("")),
                ("messaging.publish", "default inbox ", Ok("")),
                ("messaging.publish", "default  no-topic", Err("the topic is empty; name one")),
                (
                    "messaging.publish_for_reply",
                    "default inbox a\tb x",
                    Err(
                        "the topic to reply to \"a\\tb\" has white space or control characters; leave them out",
                    ),
                ),
                ("messaging.request", "default questions 60000 why", Err(nobody)),
                ("messaging.request", "second questions 60000 why", Err(nobody)),
            ],
        );
        let expected = ["message inbox  one", "message inbox answers two words", "message inbox  "];
        delivered(world, &expected.map(str::to_owned));
        world.answer_questions();
        check(
            world,
            &[
                ("messaging.request", "default questions 60000 why", Ok("re: why")),
                (
                    "messaging.request",
                    "default questions 0 why",
                    Err("a request cannot wait 0ns; allow up to an hour, but not nothing"),
                ),
                (
                    "messaging.request",
                    "default questions 3600001 why",
                    Err("a request cannot wait 3600.001s; allow up to an hour, but not nothing"),
                ),
            ],
        );
    }
}

#[test]
fn objects() {
    for world in worlds() {
        let world = &*world;
        check(world, BLOBS);
        let chunk = |of: &str| format!("chunk c {of}");
        check(world, &[("blobstore.download", "default c o 4 its context", Ok(""))]);
        let mut expected = vec![
            chunk("o 0 10 4 its context 0123"),
            chunk("o 1 10 4 its context 4567"),
            chunk("o 2 10 4 its context 89"),
        ];
        delivered(world, &expected);
        check(world, &[("blobstore.download", "second c empty 4", Ok(""))]);
        expected.push(chunk("empty 0 0 4 - "));
        delivered(world, &expected);

        let bytes = vec![0xff; 250_001];
        world.call("blobstore.upload", &[b"default c large 100000 ", &bytes[..]].concat()).unwrap();
        check(world, &[("blobstore.download", "default c large 200000", Ok(""))]);
        let large = world.delivered(6);
        let lengths: Vec<_> =
            large[4..].iter().map(|it| it.iter().filter(|byte| **byte == 0xff).count()).collect();
        assert_eq!(lengths, [200_000, 50_001], "{}", world.name());

        for object in ["o", "p", "empty", "large"] {
            done(world, "blobstore.remove", &format!("default c {object}"));
        }
        check(
            world,
            &[
                ("blobstore.remove", "default c o", Ok("")),
                ("blobstore.remove_container", "default c", Ok("")),
                ("blobstore.remove_container", "default c", Ok("")),
                ("blobstore.list", "default c", Err("there is no container c; create it first")),
            ],
        );
    }
}

#[test]
fn servers() {
    for world in worlds() {
        check(&*world, SERVERS);
    }
    let real = Real::open();
    let error = ask(&real, "http_client.get", "default http://forbidden.example/").unwrap_err();
    assert!(error.contains("http://forbidden.example:80 is not allowed; "), "{error}");
    // Nobody listens at an address that is taken.
    let closed = TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed_at = closed.local_addr().unwrap();
    let error = ask(&real, "http_client.get", &format!("default http://{closed_at}/")).unwrap_err();
    assert!(error.contains("cannot be reached"), "{error}");
}

#[test]
fn lines() {
    for world in worlds() {
        let world = &*world;
        for level in ["error", "warn", "info", "debug", "trace"] {
            done(world, "logging.write", &format!("default {level} said {level}"));
        }
        done(world, "logging.write", "second info by another binding");
        done(world, "logging.macros", "42");
        let lines: Vec<_> =
            world.lines().into_iter().map(|(level, text)| format!("{level} {text}")).collect();
        let expected = [
            "Error said error",
            "Warn said warn",
            "Info said info",
            "Debug said debug",
            "Trace said trace",
            "Info by another binding",
            "Error error 42",
            "Warn warn 42",
            "Info info 42",
            "Debug debug 42",
            "Trace trace",
        ];
        assert_eq!(lines, expected, "{}", world.name());
    }
}

#[test]
fn secrets() {
    for world in worlds() {
        check(
            &*world,
            &[
                ("secrets.get", "default token", Ok("hunter2")),
                ("secrets.get", "default db", Err("no such value")),
                ("secrets.get", "default db user", Ok("ada")),
                ("secrets.get", "default missing", Err("nothing is there")),
                ("secrets.get_all", "default", Ok("db,token hunter2,ada")),
                ("secrets.get_all", "default token missing token", Ok("token hunter2,-")),
                ("secrets.get", "second token", Ok("hunter2")),
            ],
        );
    }
    let real = Real::open();
    for (operation, payload, secret) in [
        ("secrets.get", "default other", "other"),
        ("secrets.get_all", "default token other", "other"),
        ("secrets.get", "second db", "db"),
    ] {
        let error = ask(&real, operation, payload).unwrap_err();
        assert!(
            error.contains(&format!("the secret {secret:?}")) && error.contains("is not allowed"),
            "{error}"
        );
    }
}

#[test]
fn configuration() {
    for world in worlds() {
        let world = &*world;
        check(
            world,
            &[
                ("configuration.get", "default", Ok("colour=red,size=3,colour is red")),
                ("configuration.get", "default size none", Ok("size=3,colour is not there")),
                ("configuration.unsubscribe", "default never", Ok("false")),
            ],
        );
        let first = done(world, "configuration.subscribe", "default colour none");
        world.change("colour", Some("blue"));
        let mut expected = vec![format!("configuration {first} colour=blue ")];
        delivered(world, &expected);
        // What is as it was is no change.
        world.change("colour", Some("blue"));
        world.change("size", Some("4"));
        world.change("colour", None);
        expected.push(format!("configuration {first}  colour"));
        delivered(world, &expected);
        check(world, &[("configuration.get", "default", Ok("size=4,colour is not there"))]);

        // It is not the other binding's to end.
        assert_eq!(done(world, "configuration.unsubscribe", &format!("second {first}")), "false");
        assert_eq!(done(world, "configuration.unsubscribe", &format!("default {first}")), "true");
        assert_eq!(done(world, "configuration.unsubscribe", &format!("default {first}")), "false");
        let second = done(world, "configuration.subscribe", "second");
        world.change("colour", Some("green"));
        expected.push(format!("configuration {second} colour=green "));
        delivered(world, &expected);
        assert_eq!(done(world, "configuration.unsubscribe", &format!("second {second}")), "true");
        for _ in 0..16 {
            done(world, "configuration.subscribe", "default size");
        }
        let most = "more than 16 subscriptions of a binding to the configuration; end some";
        check(world, &[("configuration.subscribe", "default size", Err(most))]);
        done(world, "configuration.subscribe", "second size");
    }
}

#[test]
fn events() {
    for world in worlds() {
        let world = &*world;
        check(
            world,
            &[
                ("eventstreams.query", "default s - - 0", Ok("")),
                ("eventstreams.write", "default s", Err("the event says nothing; give it a value")),
                ("eventstreams.write", "default  a=1", Err("the stream has no name; give one")),
                (
                    "eventstreams.query",
                    "default s - - 1001",
                    Err("1001 events cannot be read at a time; ask for 1 to 1000"),
                ),
            ],
        );
        let first = done(world, "eventstreams.write", "default s b=2 a=1 b=3");
        let second = done(world, "eventstreams.write", "second s c=");
        assert_ne!(first, second);
        done(world, "eventstreams.write", "default unheard d=4");
        let both = format!("s {first} a=1,b=3;s {second} c=;");
        check(
            world,
            &[
                ("eventstreams.query", "default s - - 0", Ok(&both)),
                ("eventstreams.query", "second s - - 1000", Ok(&both)),
                ("eventstreams.query", "default s - - 1", Ok(both.split_inclusive(';').next().unwrap())),
                ("eventstreams.query", &format!("default s 0 {} 0", u64::MAX), Ok(&both)),
                ("eventstreams.query", "default s 0 0 0", Ok("")),
                ("eventstreams.query", "default other - - 0", Ok("")),
            ],
        );
        delivered(world, &[format!("event s {first} a=1,b=3"), format!("event s {second} c=")]);
        let large = [b"default s large=", &vec![b'x'; 64 << 10][..]].concat();
        let error = world.call("eventstreams.write", &large).unwrap_err();
        assert_eq!(error, "more than 65536 bytes in an event; keep large values elsewhere and name them");
    }
}

#[test]
fn numbers() {
    for world in worlds() {
        let world = &*world;
        let guids = [done(world, "extras.guid", "default"), done(world, "extras.guid", "second")];
        assert_ne!(guids[0], guids[1]);
        for guid in guids {
            // Random ones, of the usual variant.
            let bytes = guid.as_bytes();
            assert!(bytes.len() == 36 && bytes[14] == b'4' && b"89ab".contains(&bytes[19]), "{guid}");
        }
        let smaller = "there is no number from 7 to 6; name the smaller bound first";
        check(
            world,
            &[
                ("extras.sequence", "default", Ok("0")),
                ("extras.random", "default 5 5", Ok("5")),
                ("extras.sequence", "default", Ok("1")),
                ("extras.sequence", "second", Ok("2")),
                ("extras.random", "default 7 6", Err(smaller)),
            ],
        );
        let number: u32 = done(world, "extras.random", "second 3 5").parse().unwrap();
        assert!((3..=5).contains(&number), "{number}");
    }
}

#[test]
fn other_actors_health_and_what_is_no_operation() {
    for world in worlds() {
        check(
            &*world,
            &[
                ("call_actor", "other echo hello there", Ok("hello there")),
                ("call_actor", "{other} echo hello", Ok("hello")),
                ("call_actor", "other fail it broke", Err("it broke")),
                ("call_actor", "other nothing-such x", Err("bad dispatch")),
                (
                    "call_actor",
                    "other call_actor other echo x",
                    Err("the actor's claims do not grant other (called under the binding \"default\")"),
                ),
                (
                    "call_actor",
                    "stranger echo x",
                    Err("the actor's claims do not grant stranger (called under the binding \"default\")"),
                ),
                ("call", "nowhere other echo the binding says nothing", Ok("the binding says nothing")),
                ("HealthRequest", "", Ok("")),
                ("keyvalue.set", "default ill x", Ok("")),
                ("HealthRequest", "", Err("not well")),
                ("nothing-such", "", Err("bad dispatch")),
            ],
        );
    }
}
