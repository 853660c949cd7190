//! Events from actors, and read again by them.

use std::sync::Arc;

use bytes::Bytes;
use pillion_capabilities::EventStreams;
use pillion_capabilities::eventstreams::{EventId, Memory, Redis};
use pillion_capabilities::testing::RedisServer;
use pillion_codec::{Event, EventValues, StreamQuery, StreamResults, TimeRange, WriteResponse};
use pillion_host::dispatch::Provider;
use pillion_host::identity::KeyPair;
use pillion_host::{ActorRef, Host, HostConfig};

use crate::guests::{Author, calling, caps};

struct Fixture {
    host: Host,
    actor: ActorRef,
}

/// An event as an actor sees it.
type Seen = (String, Vec<(String, Vec<u8>)>);

// === impl Fixture ===

impl Fixture {
    fn new(provider: Arc<impl EventStreams>) -> Self {
        let author = Author::new();
        let host = author.host(HostConfig::default());
        let namespace = "wascc:eventstreams";
        let actor = author.sign(&KeyPair::new_module(), &calling(namespace), caps(&[namespace]));
        let actor = host.load(&actor).expect("it loads");
        host.bind(&actor, "default", Provider::event_streams(provider)).expect("it is granted");
        Self { host, actor }
    }

    async fn call(&self, operation: &str, encode: impl FnOnce(&mut Vec<u8>)) -> Result<Bytes, String> {
        let mut payload = Vec::new();
        encode(&mut payload);
        let answer = self.host.call(&self.actor, operation, &payload).wait().await;
        answer.map_err(|failure| failure.to_string())
    }

    async fn write(&self, stream: &str, values: &[(&str, &[u8])]) -> Result<String, String> {
        let event = Event { event_id: "made up", stream, values: EventValues::new(values) };
        let answer = self.call("WriteEvent", |out| event.encode(out)).await?;
        Ok(WriteResponse::decode(&answer).expect("a response").event_id.to_owned())
    }

    async fn query(&self, range: Option<(u64, u64)>, count: u64) -> Result<Vec<Seen>, String> {
        let range = range.map(|(min_time, max_time)| TimeRange { min_time, max_time });
        let query = StreamQuery { stream_id: "s", range, count };
        let answer = self.call("QueryStream", |out| query.encode(out)).await?;
        let StreamResults { events } = StreamResults::decode(&answer).expect("results");
        let pair = |(name, value): (&str, &[u8])| (name.to_owned(), value.to_vec());
        Ok(events
            .iter()
            .map(|event| {
                assert_eq!(event.stream, "s");
                (event.event_id.to_owned(), event.values.iter().map(pair).collect())
            })
            .collect())
    }
}

async fn an_actor_writes_events_and_reads_them_again(fixture: Fixture) {
    assert_eq!(fixture.query(None, 0).await, Ok(Vec::new()));
    let said: [&[(&str, &[u8])]; 3] =
        [&[("a", b"1"), ("b", b"2")], &[("text", "ключ".as_bytes())], &[("bytes", b"\xff\x00")]];
    let mut written = Vec::new();
    for values in said {
        let id = fixture.write("s", values).await.expect("written");
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec()));
        written.push((id, values.collect()));
    }
    fixture.write("other", said[0]).await.expect("written");
    assert_eq!(fixture.query(None, 0).await.as_ref(), Ok(&written));
    assert_eq!(fixture.query(None, 2).await.as_deref(), Ok(&written[..2]));

    // In seconds, each to its end.
    let second = |at: usize| written[at].0.parse::<EventId>().expect("an id").time / 1_000;
    let (first, last) = (second(0), second(2));
    assert_eq!(fixture.query(Some((first, last)), 0).await.as_ref(), Ok(&written));
    assert_eq!(fixture.query(Some((0, u64::MAX)), 10).await.as_ref(), Ok(&written));
    for empty in [(0, first - 1), (last + 1, u64::MAX), (last + 1, first)] {
        assert_eq!(fixture.query(Some(empty), 0).await, Ok(Vec::new()));
    }

    let error = fixture.write("s", &[]).await.expect_err("it says nothing");
    assert!(error.contains("value"), "{error}");
    let error = fixture.query(None, u64::MAX).await.expect_err("too many");
    assert!(error.contains("events cannot be read at a time; ask for 1 to 1000"), "{error}");
    let error = fixture.call("WriteEvent", |out| out.push(0xc1)).await.expect_err("no request");
    assert!(error.contains("the request of wascc:eventstreams WriteEvent is malformed"), "{error}");
    let error = fixture.call("Subscribe", |_| {}).await.expect_err("no such operation");
    assert_eq!(error, "wascc:eventstreams has no operation \"Subscribe\"");
}

#[tokio::test]
async fn events_in_memory() {
    an_actor_writes_events_and_reads_them_again(Fixture::new(Arc::new(Memory::new(10, 1 << 20)))).await;
}

#[tokio::test]
async fn events_in_redis() {
    let Some(server) = RedisServer::start_or_skip().expect("it starts") else { return };
    let provider = Redis::connect(&server.url(), 10).await.expect("it is there");
    an_actor_writes_events_and_reads_them_again(Fixture::new(Arc::new(provider))).await;
}
