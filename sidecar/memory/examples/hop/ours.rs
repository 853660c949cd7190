//! Our client and server, and their messages.

use std::future::pending;
use std::time::Instant;

use dapr::dapr::proto::runtime::v1::GetStateRequest;
use pillion_calls::{Call, GetStateResponse, Outcome, Reply, Request};
use pillion_shared_memory::{Client, Server};
use prost::Message as _;
use tokio::runtime::{Builder, Runtime};

use crate::{VALUE, timed};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn request() -> Request {
    Request::Get(GetStateRequest {
        store_name: "store".to_owned(),
        key: "key".to_owned(),
        ..Default::default()
    })
}

fn got() -> GetStateResponse {
    GetStateResponse { data: VALUE.to_vec().into(), etag: "1".to_owned(), ..Default::default() }
}

/// Whether both ends never sleep; otherwise they spin before.
fn is_busy(form: &str) -> bool {
    form == "ours, spinning"
}

/// What a call takes where nothing is between its ends: a request is written and read, and so is its reply.
pub(crate) fn messages(blocks: usize, calls: usize) -> Vec<f64> {
    let (got, expected) = (got(), Some(Outcome::Got(got())));
    let mut bytes = Vec::with_capacity(256);
    timed(blocks, calls, || {
        bytes.clear();
        Call { id: 0, request: Some(request()) }.encode(&mut bytes).unwrap();
        let call = Call::decode(&*bytes).unwrap();
        bytes.clear();
        Reply { id: call.id, outcome: Some(Outcome::Got(got.clone())) }.encode(&mut bytes).unwrap();
        assert_eq!(Reply::decode(&*bytes).unwrap().outcome, expected);
    })
}

pub(crate) fn measure(form: &str, name: &str, blocks: usize, calls: usize) -> Vec<f64> {
    let client = Client::new(name, None, is_busy(form));
    let expected = Some(Outcome::Got(got()));
    runtime().block_on(async {
        let mut times = Vec::new();
        for _ in 0..blocks {
            let start = Instant::now();
            for _ in 0..calls {
                assert_eq!(client.call(request()).await.unwrap(), expected);
            }
            times.push(start.elapsed().as_nanos() as f64 / calls as f64);
        }
        times
    })
}

pub(crate) fn serve(form: &str, name: &str) {
    runtime().block_on(async {
        let server = Server::open(name, None, 1 << 20).unwrap();
        println!("ready");
        let got = got();
        let answer = move |call: Call| {
            let outcome = Some(Outcome::Got(got.clone()));
            async move { Reply { id: call.id, outcome } }
        };
        server.run(answer, is_busy(form), pending()).await;
    });
}
