//! A client and a server without a sidecar: what a sidecar's calls do not show.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panic, as tests do")]

mod server;

use std::sync::Arc;

use dapr::dapr::proto::runtime::v1::GetStateRequest;
use pillion_calls::{Outcome, Request};
use pillion_shared_memory::{Client, MOST_BYTES, MOST_UNDER_WAY};
use tokio::task::JoinSet;

use crate::server::Serving;

fn get(key: &str) -> Request {
    Request::Get(GetStateRequest { key: key.to_owned(), ..Default::default() })
}

fn data(outcome: Option<Outcome>) -> Vec<u8> {
    match outcome {
        Some(Outcome::Got(got)) => got.data.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn failure(outcome: Option<Outcome>) -> (i32, String) {
    match outcome {
        Some(Outcome::Failure(failure)) => (failure.code, failure.message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_given_up_keep_their_places_until_they_are_answered() {
    for busy in [false, true] {
        let mut serving = Serving::start(busy);
        let client = Arc::new(Client::new(serving.name(), None, busy));
        let mut given_up = JoinSet::new();
        for _ in 0..MOST_UNDER_WAY {
            let client = Arc::clone(&client);
            given_up.spawn(async move { client.call(get("later")).await });
        }
        for _ in 0..MOST_UNDER_WAY {
            serving.arrived().await;
        }
        given_up.shutdown().await;
        let waiting = tokio::spawn(async move { client.call(get("echo")).await });
        serving.let_later_go();
        assert_eq!(data(waiting.await.unwrap().unwrap()), b"echo");
    }
}

#[tokio::test]
async fn replies_find_their_calls_in_whatever_order() {
    let mut serving = Serving::start(false);
    let client = Arc::new(Client::new(serving.name(), None, false));
    let later = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.call(get("later")).await }
    });
    serving.arrived().await;
    for index in 0..1_000 {
        let key = format!("key {index}");
        assert_eq!(data(client.call(get(&key)).await.unwrap()), key.as_bytes());
    }
    serving.let_later_go();
    assert_eq!(data(later.await.unwrap().unwrap()), b"later");
}

#[tokio::test]
async fn a_provider_that_panics_is_a_failure_and_the_next_call_is_answered() {
    let serving = Serving::start(false);
    let client = Client::new(serving.name(), None, false);
    let (code, message) = failure(client.call(get("panic")).await.unwrap());
    assert!(code == 13 && message.contains("failed at this call"), "{code}: {message}");
    assert_eq!(data(client.call(get("echo")).await.unwrap()), b"echo");
}

#[tokio::test]
async fn messages_of_any_length_pass_up_to_the_limit() {
    let serving = Serving::start(false);
    let client = Client::new(serving.name(), None, false);
    // Around the room of short messages, whose fronts take some of it.
    let lengths = (0..600).chain([4_096, 65_536, MOST_BYTES - 64]);
    for length in lengths {
        let key = "k".repeat(length);
        assert_eq!(data(client.call(get(&key)).await.unwrap()), key.as_bytes(), "{length}");
    }
    let error = client.call(get(&"k".repeat(MOST_BYTES))).await.unwrap_err().to_string();
    assert!(error.contains("too long for shared memory"), "{error}");
    let (code, message) = failure(client.call(get("long")).await.unwrap());
    assert!(code == 8 && message.contains("the reply is too long for shared memory"), "{code}: {message}");
    assert_eq!(data(client.call(get("echo")).await.unwrap()), b"echo");
}
