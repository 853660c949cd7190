//! What comes in reaches the function that is named for it, and nothing else does.

use pillion_sdk::message::{BrokerMessage, ConfigurationChange, Event, FileChunk, Request};
use pillion_sdk::testing::{Host, HttpReply};
use pillion_sdk::{
    BlobStore, Configuration, DEFAULT, Error, HttpClient, KeyValue, Kind, Reply, Result, call_actor, info,
    operations,
};

operations! {
    /// Keeps what is delivered.
    fn keeper {
        HandleRequest => |request: Request<'_>, reply: &mut Reply| {
            reply.http_with(404, &[("x-query", request.query_string)], request.body);
            Ok::<(), Error>(())
        },
        DeliverMessage => |message: BrokerMessage<'_>| KeyValue::new().set(message.subject, message.body),
        DeliverEvent => event,
        DeliverConfiguration => changed,
        ReceiveChunk => chunk,
        HealthRequest => || Err::<(), _>(Error::new("not well")),
        "download" => |_: &[u8], _: &mut Reply| BlobStore::new().download("papers", "one", 2, Some("it")),
        "subscribe" => |key: &[u8], reply: &mut Reply| -> Result<()> {
            reply.write(Configuration::new().subscribe(&[str::from_utf8(key).map_err(Error::of)?])?);
            Ok(())
        },
        "pass" => |key: &[u8], reply: &mut Reply| -> Result<()> {
            reply.write("never seen");
            reply.pass(KeyValue::new().get(str::from_utf8(key).map_err(Error::of)?)?.ok_or("none")?);
            Ok(())
        },
    }
}

operations! {
    fn idle {}
}

fn event(event: Event<'_>) -> Result<()> {
    for (name, value) in event.values.iter() {
        KeyValue::new().set(&format!("{}/{}/{name}", event.stream, event.event_id), value)?;
    }
    Ok(())
}

fn changed(change: ConfigurationChange<'_>) -> Result<()> {
    for (key, item) in change.items.iter() {
        KeyValue::new().set(key, item.value.as_bytes())?;
    }
    for key in change.removed.iter() {
        KeyValue::new().delete(str::from_utf8(key).map_err(Error::of)?)?;
    }
    Ok(())
}

fn chunk(chunk: FileChunk<'_>) -> Result<()> {
    assert_eq!((chunk.context, chunk.total_bytes), (Some("it"), 5));
    KeyValue::new().push("chunks", chunk.chunk_bytes).map(drop)
}

#[test]
fn deliveries_reach_their_functions() {
    let host = Host::new();
    let reply = host.http(keeper, "PUT", "/a?b=c", b"body").unwrap();
    let header = vec![("x-query".to_owned(), "b=c".to_owned())];
    assert_eq!(reply, HttpReply { status: 404, header, body: b"body".to_vec() });

    host.deliver(keeper, "topic", "", b"hello").unwrap();
    assert_eq!(host.value("topic").unwrap(), b"hello");

    host.deliver_event(keeper, "stream", "7-0", &[("a", b"1"), ("b", b"\xff")]).unwrap();
    assert_eq!(
        (host.value("stream/7-0/a"), host.value("stream/7-0/b")),
        (Some(vec![b'1']), Some(vec![0xff]))
    );

    host.put_blob("papers", "one", b"abcde");
    host.call(keeper, "download", b"").unwrap();
    assert_eq!(host.deliver_chunks(keeper).unwrap(), 3);
    let chunks = host.run(|| KeyValue::new().range("chunks", 0, -1)).unwrap();
    assert_eq!(chunks.iter().collect::<Vec<_>>(), [&b"ab"[..], b"cd", b"e"]);

    let id = host.call(keeper, "subscribe", b"colour").unwrap();
    assert_eq!(host.change(keeper, "size", Some("3")).unwrap(), 0);
    assert_eq!(host.change(keeper, "colour", Some("red")).unwrap(), 1);
    assert_eq!(host.value("colour").unwrap(), b"red");
    assert_eq!(host.change(keeper, "colour", None).unwrap(), 1);
    assert_eq!(host.value("colour"), None);
    let id = String::from_utf8(id).unwrap();
    assert_eq!(host.run(|| Configuration::new().unsubscribe(&id)), Ok(true));
    assert_eq!(host.change(keeper, "colour", Some("blue")).unwrap(), 0);
}

#[test]
fn what_is_not_named_is_a_bad_dispatch_and_health_is_a_given() {
    let host = Host::new();
    assert_eq!(host.call(idle, "HealthRequest", b"\x81\xabplaceholder\xc3").unwrap(), b"");
    assert_eq!(host.call(keeper, "HealthRequest", b"").unwrap_err().text(), "not well");
    for operation in ["HandleRequest", "DeliverMessage", "other", ""] {
        let error = host.call(idle, operation, b"").unwrap_err();
        assert_eq!((error.kind(), error.text()), (Kind::BadDispatch, "bad dispatch"));
    }
}

#[test]
fn a_malformed_delivery_names_its_operation() {
    let host = Host::new();
    for (operation, payload, reason) in [
        ("HandleRequest", &b"\xc1"[..], "a value is of another kind than a map or an array"),
        ("DeliverMessage", b"", "it ends too early"),
        ("DeliverEvent", b"\x80", "there is no field eventId"),
        ("DeliverConfiguration", b"\x81\xa2id\xa1\xff", "a text is not valid UTF-8"),
        ("ReceiveChunk", b"\x81\xaasequenceNo\xff", "a number is out of range"),
    ] {
        let error = host.call(keeper, operation, payload).unwrap_err();
        assert_eq!(error.kind(), Kind::Malformed);
        assert_eq!(error.text(), format!("the payload of {operation} is malformed: {reason}"));
    }
}

#[test]
fn what_is_passed_goes_out_alone_and_what_is_written_afterwards_behind_it() {
    let host = Host::new();
    for size in [0, 1, 1 << 20] {
        host.set("k", &vec![b'v'; size]);
        assert_eq!(host.call(keeper, "pass", b"k").unwrap(), vec![b'v'; size]);
    }
    host.set("k", b"value");
    host.run(|| {
        let mut reply = Reply::new();
        reply.pass(KeyValue::new().get("k").unwrap().unwrap());
        reply.write("!");
        assert_eq!(reply.bytes(), b"value!");
        reply.clear();
        assert_eq!(reply.bytes(), b"");
    });
}

#[test]
fn actors_call_each_other_and_themselves() {
    let host = Host::new();
    host.serve_actor("greeter", |operation, payload| match operation {
        "greet" => Ok([b"Hello, ", payload].concat()),
        _ => Err("bad dispatch".to_owned()),
    });
    let again = host.clone();
    host.serve_actor("myself", move |operation, payload| {
        again.call(keeper, operation, payload).map_err(Error::into_text)
    });
    host.set("k", b"v");
    host.run(|| {
        assert_eq!(&*call_actor("greeter", "greet", b"Ada").unwrap(), b"Hello, Ada");
        assert_eq!(call_actor("greeter", "part", b"").unwrap_err().text(), "bad dispatch");
        assert_eq!(&*call_actor("myself", "pass", b"k").unwrap(), b"v");
        assert_eq!(call_actor("stranger", "greet", b"").unwrap_err().kind(), Kind::Host);
    });
}

#[test]
fn lines_go_to_the_log_or_to_the_console() {
    let host = Host::new();
    let name = "Ada";
    host.run(|| info!("hello"));
    host.run(|| pillion_sdk::warn!("{name} is {}", 36));
    host.deny("wascc:logging");
    host.run(|| pillion_sdk::error!("denied"));
    let lines: Vec<_> = host.lines().into_iter().map(|(level, line)| format!("{level:?} {line}")).collect();
    assert_eq!(lines, ["Info hello", "Warn Ada is 36"]);
    assert_eq!(host.console(), ["denied"]);
}

#[test]
fn calls_are_recorded_and_need_a_host() {
    let host = Host::new();
    host.serve_http(|_| Ok(HttpReply::new(200, "")));
    host.run(|| HttpClient::new().get("http://a/")).unwrap();
    let calls = host.calls();
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].binding.as_str(), calls[0].namespace.as_str()), (DEFAULT, "wascc:http_client"));
    let error = KeyValue::new().get("k").unwrap_err();
    assert!(error.text().contains("testing::Host"), "{error}");
}
