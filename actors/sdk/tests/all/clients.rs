//! The other clients.

use pillion_sdk::message::TimeRange;
use pillion_sdk::testing::{Host, HttpReply};
use pillion_sdk::{
    BlobStore, Configuration, EventStreams, Extras, HttpClient, Kind, Logging, Messaging, Secrets, logging,
};

#[test]
fn messages_are_published_and_requests_answered() {
    let host = Host::new();
    let messaging = Messaging::new();
    host.run(|| messaging.publish_for_reply("orders", "answers", b"\xff")).unwrap();
    let published = &host.published()[0];
    assert_eq!((published.reply_to.as_str(), published.body.as_slice()), ("answers", &b"\xff"[..]));
    let error = host.run(|| messaging.request("prices", b"?", 20)).unwrap_err();
    assert!(error.text().starts_with("nobody replied on topic prices within"), "{error}");
    host.serve_requests(|subject, body| Ok([subject.as_bytes(), body].concat()));
    assert_eq!(&*host.run(|| messaging.request("prices", b"?", 20)).unwrap(), b"prices?");
}

#[test]
fn servers_are_asked() {
    let host = Host::new();
    let client = HttpClient::new();
    let error = host.run(|| client.get("http://nowhere/")).unwrap_err();
    assert!(error.text().contains("http://nowhere/"), "{error}");
    host.serve_http(|request| match request.method.as_str() {
        "POST" => {
            assert_eq!(request.header, [("content-type".to_owned(), "text/plain".to_owned())]);
            Ok(HttpReply::new(503, request.body.clone()))
        }
        _ => {
            let header = vec![("Content-Type".to_owned(), "a/b".to_owned())];
            Ok(HttpReply { status: 200, header, body: request.url.clone().into_bytes() })
        }
    });
    host.run(|| {
        let response = client.get("http://here/?q=1").unwrap();
        assert_eq!((response.status(), response.body()), (200, &b"http://here/?q=1"[..]));
        assert_eq!((response.header("content-type"), response.header("etag")), (Some("a/b"), None));
        let response = client.post("http://here/", "text/plain", b"").unwrap();
        assert_eq!((response.status(), response.body()), (503, &b""[..]));
    });
}

#[test]
fn objects_are_stored_in_chunks() {
    let host = Host::new();
    let blobs = BlobStore::new();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_001).collect();
    host.run(|| {
        assert!(blobs.upload("papers", "one", b"x", 10).unwrap_err().text().contains("no container papers"));
        blobs.create_container("papers").unwrap();
        assert!(blobs.upload("papers", "one", b"x", 0).is_err());
        blobs.upload("papers", "one", &bytes, 1_000).unwrap();
        blobs.upload("papers", "none", b"", 1_000).unwrap();
        assert_eq!(blobs.size("papers", "one"), Ok(Some(100_001)));
        assert_eq!((blobs.size("papers", "none"), blobs.size("papers", "two")), (Ok(Some(0)), Ok(None)));
        let list = blobs.list("papers").unwrap();
        let list: Vec<_> = list.iter().map(|blob| (blob.id.to_owned(), blob.byte_size)).collect();
        assert_eq!(list, [("none".to_owned(), 0), ("one".to_owned(), 100_001)]);
        assert!(blobs.remove_container("papers").unwrap_err().text().contains("not empty"));
        assert!(blobs.download("papers", "two", 10, None).unwrap_err().text().contains("no object two"));
    });
    assert_eq!(host.blob("papers", "one").unwrap(), bytes);
    host.run(|| {
        blobs.remove("papers", "one").unwrap();
        blobs.remove("papers", "none").unwrap();
        blobs.remove_container("papers").unwrap();
        assert!(blobs.list("papers").is_err());
    });
}

#[test]
fn events_are_written_and_found() {
    let host = Host::new();
    let streams = EventStreams::new();
    host.run(|| {
        for number in [b"1", b"2", b"3"] {
            streams.write("s", &[("n", number)]).unwrap();
        }
        let all = streams.query("s", None, 0).unwrap();
        assert_eq!(all.iter().count(), 3);
        let range = TimeRange { min_time: 2, max_time: 9 };
        let some = streams.query("s", Some(range), 1).unwrap();
        let ids: Vec<_> = some.iter().map(|event| event.event_id).collect();
        assert_eq!(ids, ["2000-0"]);
        let first = some.iter().next().unwrap();
        assert_eq!(first.values.iter().collect::<Vec<_>>(), [("n", &b"2"[..])]);
        assert_eq!(streams.query("other", None, 0).unwrap().iter().count(), 0);
    });
}

#[test]
fn secrets_are_read_and_not_shown() {
    let host = Host::new();
    host.secret("password", "hunter2");
    host.secret_key("database", "user", "ada");
    host.run(|| {
        let secrets = Secrets::new();
        assert!(secrets.get("other").unwrap().is_none());
        let password = secrets.get("password").unwrap().unwrap();
        assert_eq!(password.value(), Some("hunter2"));
        let database = secrets.get("database").unwrap().unwrap();
        assert_eq!((database.key("user"), database.value()), (Some("ada"), None));
        let all = secrets.get_all(&[]).unwrap();
        assert_eq!(all.names().collect::<Vec<_>>(), ["database", "password"]);
        assert_eq!(all.get("database", "user"), Some("ada"));
        let some = secrets.get_all(&["password", "other"]).unwrap();
        assert_eq!((some.names().count(), some.get("database", "user")), (1, None));
        let shown = format!("{password:?} {all:?}");
        assert!(shown.contains("REDACTED") && !shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains(&format!("{:?}", b"hunter2")), "{shown}");
    });
}

#[test]
fn items_of_the_configuration_are_read() {
    let host = Host::new();
    host.configure("colour", "red");
    host.configure("size", "");
    host.run(|| {
        let all = Configuration::new().get(&[]).unwrap();
        assert_eq!((all.value("colour"), all.value("size"), all.value("x")), (Some("red"), Some(""), None));
        assert_eq!(Configuration::new().get(&["size", "x"]).unwrap().iter().count(), 1);
        assert_eq!(Configuration::new().unsubscribe("never"), Ok(false));
    });
}

#[test]
fn numbers_are_made_by_the_host() {
    let made = || {
        Host::new().run(|| {
            let extras = Extras::new();
            let (guid, first, second) = (extras.guid().unwrap(), extras.sequence(), extras.sequence());
            assert!(first.unwrap() < second.unwrap());
            let number = extras.random(3, 5).unwrap();
            assert!((3..=5).contains(&number), "{number}");
            assert_eq!(extras.random(7, 7), Ok(7));
            assert!(extras.random(0, u32::MAX).is_ok());
            assert_eq!(extras.random(2, 1).unwrap_err().kind(), Kind::Host);
            (guid, number)
        })
    };
    assert_eq!(made(), made());
}

#[test]
fn every_contract_can_be_denied() {
    let host = Host::new();
    let contracts = [
        Messaging::CONTRACT,
        HttpClient::CONTRACT,
        BlobStore::CONTRACT,
        EventStreams::CONTRACT,
        Secrets::CONTRACT,
        Configuration::CONTRACT,
        Extras::CONTRACT,
        Logging::CONTRACT,
    ];
    contracts.iter().for_each(|contract| host.deny(contract));
    host.run(|| {
        let errors = [
            Messaging::new().publish("s", b"").unwrap_err(),
            HttpClient::new().get("http://a/").unwrap_err(),
            BlobStore::new().create_container("c").unwrap_err(),
            EventStreams::new().write("s", &[]).unwrap_err(),
            Secrets::new().get("s").unwrap_err(),
            Configuration::new().get(&[]).unwrap_err(),
            Extras::new().sequence().unwrap_err(),
            Logging::new().write(logging::Level::Info, "line").unwrap_err(),
        ];
        for (contract, error) in contracts.iter().zip(errors) {
            assert!(error.text().contains(&format!("do not grant {contract} ")), "{error}");
        }
    });
}
