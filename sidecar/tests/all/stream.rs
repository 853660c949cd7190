//! The one long stream of calls.

use dapr::dapr::proto::common::v1::{Etag, StateItem};
use dapr::dapr::proto::runtime::v1::{
    DeleteBulkStateRequest, DeleteStateRequest, ExecuteStateTransactionRequest, GetBulkStateRequest,
    GetStateRequest, SaveStateRequest, TransactionalStateOperation,
};
use pillion_calls::{Call, Failure, GetStateResponse, Outcome, Reply, Request, STREAM};
use prost::Message as _;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::client::Grpc;
use tonic::{Code, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::sidecar::{MEMORY, Sidecar};
use crate::wire::{self, At};

/// An open stream.
struct Line {
    calls: UnboundedSender<Call>,
    replies: Streaming<Reply>,
}

// === impl Line ===

impl Line {
    async fn open(at: &At, token: Option<&str>) -> Result<Self, Status> {
        let mut client = Grpc::new(wire::channel(at).await);
        client.ready().await.unwrap();
        let (calls, queue) = unbounded_channel();
        let mut request = tonic::Request::new(UnboundedReceiverStream::new(queue));
        if let Some(token) = token {
            request.metadata_mut().insert("dapr-api-token", token.parse().unwrap());
        }
        let codec = ProstCodec::<Call, Reply>::default();
        let replies = client.streaming(request, STREAM.parse().unwrap(), codec).await?.into_inner();
        Ok(Self { calls, replies })
    }

    fn send(&self, id: u64, request: Request) {
        self.calls.send(Call { id, request: Some(request) }).unwrap();
    }

    async fn next(&mut self) -> Reply {
        self.replies.message().await.unwrap().unwrap()
    }

    /// Asks one thing with no other under way.
    async fn ask(&mut self, request: Request) -> Option<Outcome> {
        self.send(77, request);
        let reply = self.next().await;
        assert_eq!(reply.id, 77);
        reply.outcome
    }

    async fn get(&mut self, key: &str) -> GetStateResponse {
        match self.ask(get("store", key)).await {
            Some(Outcome::Got(found)) => found,
            other => panic!("{other:?}"),
        }
    }

    async fn refusal(&mut self, request: Request) -> Failure {
        match self.ask(request).await {
            Some(Outcome::Failure(failure)) => failure,
            other => panic!("{other:?}"),
        }
    }
}

fn item(key: &str, value: &[u8]) -> StateItem {
    StateItem { key: key.to_owned(), value: value.to_vec(), ..StateItem::default() }
}

fn get(store: &str, key: &str) -> Request {
    let (store_name, key) = (store.to_owned(), key.to_owned());
    Request::Get(GetStateRequest { store_name, key, ..GetStateRequest::default() })
}

fn save(states: Vec<StateItem>) -> Request {
    Request::Save(SaveStateRequest { store_name: "store".to_owned(), states })
}

#[tokio::test]
async fn carries_every_request_of_the_state_api_over_either_transport() {
    let sidecar = Sidecar::memory();
    for at in [sidecar.grpc(), sidecar.grpc_socket()] {
        let mut line = Line::open(&at, None).await.unwrap();
        assert_eq!(line.ask(save(vec![item("a", b"1"), item("b", b"\x00\xff")])).await, None);
        let found = line.get("b").await;
        assert_eq!((&found.data[..], found.etag.is_empty()), (&b"\x00\xff"[..], false));
        assert_eq!(line.get("nowhere").await, GetStateResponse::default());
        let request = GetBulkStateRequest {
            store_name: "store".to_owned(),
            keys: ["a", "nowhere"].map(str::to_owned).into(),
            ..GetBulkStateRequest::default()
        };
        let Some(Outcome::BulkGot(bulk)) = line.ask(Request::BulkGet(request)).await else { panic!() };
        let bulk: Vec<_> = bulk.items.into_iter().map(|item| (item.key, item.data)).collect();
        assert_eq!(bulk, [("a".to_owned(), b"1".to_vec()), ("nowhere".to_owned(), Vec::new())]);
        let operation = |kind: &str, item| TransactionalStateOperation {
            operation_type: kind.to_owned(),
            request: Some(item),
        };
        let request = ExecuteStateTransactionRequest {
            store_name: "store".to_owned(),
            operations: vec![operation("upsert", item("c", b"3")), operation("delete", item("a", b""))],
            ..ExecuteStateTransactionRequest::default()
        };
        assert_eq!(line.ask(Request::Transact(request)).await, None);
        assert_eq!((&line.get("c").await.data[..], line.get("a").await.etag.as_str()), (&b"3"[..], ""));
        let request = DeleteStateRequest {
            store_name: "store".to_owned(),
            key: "c".to_owned(),
            ..DeleteStateRequest::default()
        };
        assert_eq!(line.ask(Request::Delete(request)).await, None);
        let (store_name, states) = ("store".to_owned(), vec![item("b", b"")]);
        assert_eq!(line.ask(Request::BulkDelete(DeleteBulkStateRequest { store_name, states })).await, None);
        for key in ["b", "c"] {
            assert_eq!(line.get(key).await, GetStateResponse::default(), "{key}");
        }
    }
}

#[tokio::test]
async fn fails_in_daprs_codes_and_goes_on() {
    let sidecar = Sidecar::memory();
    let mut line = Line::open(&sidecar.grpc(), None).await.unwrap();
    let failure = line.refusal(get("nowhere", "k")).await;
    assert_eq!(Code::from_i32(failure.code), Code::InvalidArgument);
    assert_eq!(failure.message, "state store nowhere is not found");
    let details = tonic_types::pb::Status::decode(failure.details).unwrap();
    assert_eq!((details.code, details.details.len()), (failure.code, 2));
    let failure = line.refusal(get("store", "a||b")).await;
    assert_eq!(Code::from_i32(failure.code), Code::InvalidArgument);
    let stale = StateItem { etag: Some(Etag { value: "7".to_owned() }), ..item("k", b"v") };
    assert_eq!(Code::from_i32(line.refusal(save(vec![stale])).await.code), Code::Aborted);
    // A call of a kind that is not known yet.
    line.calls.send(Call { id: 5, request: None }).unwrap();
    let reply = line.next().await;
    let Some(Outcome::Failure(failure)) = reply.outcome else { panic!() };
    assert_eq!((reply.id, Code::from_i32(failure.code)), (5, Code::InvalidArgument));
    assert_eq!(line.get("k").await, GetStateResponse::default());
}

#[tokio::test]
async fn answers_each_of_many_calls_under_way_with_its_number() {
    let sidecar = Sidecar::memory();
    let mut line = Line::open(&sidecar.grpc_socket(), None).await.unwrap();
    const CALLS: u64 = 3_000;
    for id in 0..CALLS {
        line.send(id, save(vec![item(&format!("k{id}"), id.to_string().as_bytes())]));
    }
    let mut seen = vec![false; CALLS as usize];
    for _ in 0..CALLS {
        let reply = line.next().await;
        assert_eq!(reply.outcome, None);
        assert!(!std::mem::replace(&mut seen[reply.id as usize], true), "{} came twice", reply.id);
    }
    for id in 0..CALLS {
        line.send(id, get("store", &format!("k{id}")));
    }
    for _ in 0..CALLS {
        let reply = line.next().await;
        let Some(Outcome::Got(found)) = reply.outcome else { panic!() };
        assert_eq!(found.data, reply.id.to_string());
    }
    assert_eq!(sidecar.reached(None).await, 2 * CALLS);
}

#[tokio::test]
async fn asks_for_the_token_before_it_takes_a_call() {
    let sidecar = Sidecar::with_environment(MEMORY, &[], &[("DAPR_API_TOKEN", "secret")]);
    for token in [None, Some("wrong")] {
        let status = Line::open(&sidecar.grpc(), token).await.err().unwrap();
        assert_eq!(status.code(), Code::Unauthenticated, "{token:?}");
    }
    assert_eq!(sidecar.reached(None).await, 0);
    let mut line = Line::open(&sidecar.grpc(), Some("secret")).await.unwrap();
    line.get("k").await;
    assert_eq!(sidecar.reached(None).await, 1);
}

#[tokio::test]
async fn ends_with_the_sidecar_which_does_not_wait_for_it() {
    let mut sidecar = Sidecar::with(MEMORY, &["--dapr-graceful-shutdown-seconds", "3600"]);
    let mut line = Line::open(&sidecar.grpc(), None).await.unwrap();
    line.get("k").await;
    sidecar.signal("TERM");
    assert!(line.replies.message().await.unwrap().is_none());
    assert!(sidecar.wait().await.success());
}

#[tokio::test]
async fn breaks_off_with_a_status_when_the_sidecar_is_killed() {
    let mut sidecar = Sidecar::memory();
    let mut line = Line::open(&sidecar.grpc_socket(), None).await.unwrap();
    line.get("k").await;
    sidecar.signal("KILL");
    sidecar.wait().await;
    assert!(line.replies.message().await.is_err());
}

#[tokio::test]
async fn a_message_that_is_too_long_ends_the_stream_alone() {
    let sidecar = Sidecar::with(MEMORY, &["--max-body-size", "1Ki"]);
    let mut line = Line::open(&sidecar.grpc(), None).await.unwrap();
    line.send(1, save(vec![item("k", &[b'v'; 2_000])]));
    assert!(line.replies.message().await.is_err());
    let mut line = Line::open(&sidecar.grpc(), None).await.unwrap();
    assert_eq!(line.get("k").await, GetStateResponse::default());
}
