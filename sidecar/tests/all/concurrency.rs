//! Etags and who wins, over both protocols.

use dapr::dapr::proto::common::v1::state_options::StateConcurrency;
use dapr::dapr::proto::common::v1::{Etag, StateItem, StateOptions};
use dapr::dapr::proto::runtime::v1::{DeleteStateRequest, SaveStateRequest};
use tonic::Code;

use crate::sidecar::{Sidecar, redb};
use crate::wire;

const KEY: &str = "/v1.0/state/store/k";

async fn save(sidecar: &Sidecar, rest: &str) -> wire::Answer {
    sidecar.call("POST", "/v1.0/state/store", format!(r#"[{{"key":"k","value":1{rest}}}]"#)).await
}

#[tokio::test]
async fn an_etag_must_match() {
    let sidecar = Sidecar::memory();
    // An etag for a key that is not there matches nothing.
    save(&sidecar, r#","etag":"1""#).await.failed(409, "ERR_STATE_SAVE");
    save(&sidecar, "").await.is_empty();
    let old = sidecar.call("GET", KEY, "").await.etag();
    save(&sidecar, &format!(r#","etag":"{old}""#)).await.is_empty();
    let message = save(&sidecar, &format!(r#","etag":"{old}""#)).await.failed(409, "ERR_STATE_SAVE");
    let start = "failed saving state in state store store: possible etag mismatch. error from state store: ";
    assert!(message.starts_with(start), "{message}");
    // In memory any text may be an etag, and an empty one is none.
    save(&sidecar, r#","etag":"not a number""#).await.failed(409, "ERR_STATE_SAVE");
    save(&sidecar, r#","etag":"""#).await.is_empty();

    let delete = |etag: String| {
        let at = sidecar.http();
        async move { wire::call(&at, "DELETE", KEY, &[("If-Match", &etag)], "").await }
    };
    let message = delete(old).await.failed(409, "ERR_STATE_DELETE");
    assert!(message.starts_with("failed deleting state with key k: possible etag mismatch"), "{message}");
    let current = sidecar.call("GET", KEY, "").await.etag();
    delete(current).await.is_empty();
    sidecar.call("GET", KEY, "").await.is_empty();
}

#[tokio::test]
async fn the_first_write_wins_when_asked_for() {
    let sidecar = Sidecar::memory();
    let first = r#","options":{"concurrency":"first-write","consistency":"strong"}"#;
    save(&sidecar, first).await.is_empty();
    save(&sidecar, first).await.failed(409, "ERR_STATE_SAVE");
    save(&sidecar, r#","options":{"concurrency":"last-write","consistency":"eventual"}"#).await.is_empty();
    let path = format!("{KEY}?concurrency=first-write&consistency=strong");
    sidecar.call("DELETE", &path, "").await.failed(409, "ERR_STATE_DELETE");
    sidecar.call("DELETE", KEY, "").await.is_empty();
    sidecar.call("DELETE", &path, "").await.is_empty();
    // So do the deletions of a transaction.
    let delete = |key: &str| {
        let request = format!(r#"{{"key":"{key}","options":{{"concurrency":"first-write"}}}}"#);
        format!(r#"{{"operations":[{{"operation":"delete","request":{request}}}]}}"#)
    };
    let path = "/v1.0/state/store/transaction";
    sidecar.call("POST", path, delete("never")).await.is_empty();
    save(&sidecar, "").await.is_empty();
    sidecar.call("POST", path, delete("k")).await.failed(500, "ERR_STATE_TRANSACTION");
    assert_eq!(sidecar.call("GET", KEY, "").await.status, 200);
}

#[tokio::test]
async fn options_are_spelt_right_or_refused() {
    let sidecar = Sidecar::memory();
    let message = save(&sidecar, r#","options":{"concurrency":"mine"}"#).await.failed(500, "ERR_STATE_SAVE");
    assert!(message.ends_with("unrecognized concurrency model 'mine'"), "{message}");
    let message = save(&sidecar, r#","options":{"consistency":"maybe"}"#).await.failed(500, "ERR_STATE_SAVE");
    assert!(message.ends_with("unrecognized consistency model 'maybe'"), "{message}");
    assert_eq!(sidecar.reached(None).await, 0);
}

#[tokio::test]
async fn elsewhere_an_etag_is_a_number() {
    let folder = tempfile::TempDir::new().unwrap();
    let sidecar = Sidecar::with(&redb(&folder.path().join("db")), &[]);
    save(&sidecar, "").await.is_empty();
    let message = save(&sidecar, r#","etag":"not a number""#).await.failed(400, "ERR_STATE_SAVE");
    assert!(message.contains("invalid etag value. error from state store: "), "{message}");
    save(&sidecar, r#","etag":"999999""#).await.failed(409, "ERR_STATE_SAVE");
    save(&sidecar, r#","etag":"999999","options":{"concurrency":"last-write"}"#).await.is_empty();
}

#[tokio::test]
async fn grpc_tells_the_same_in_its_codes() {
    let sidecar = Sidecar::memory();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let item = |etag: Option<&str>, concurrency: StateConcurrency| StateItem {
        key: "k".to_owned(),
        value: b"1".to_vec(),
        etag: etag.map(|value| Etag { value: value.to_owned() }),
        options: Some(StateOptions { concurrency: concurrency.into(), consistency: 0 }),
        ..StateItem::default()
    };
    let request = |item| SaveStateRequest { store_name: "store".to_owned(), states: vec![item] };
    client.save_state(request(item(None, StateConcurrency::ConcurrencyFirstWrite))).await.unwrap();
    for stale in [
        item(None, StateConcurrency::ConcurrencyFirstWrite),
        item(Some("999999"), StateConcurrency::ConcurrencyUnspecified),
    ] {
        let status = client.save_state(request(stale)).await.unwrap_err();
        assert_eq!(status.code(), Code::Aborted);
        assert!(
            status.message().starts_with("failed saving state in state store store: possible etag mismatch")
        );
    }
    let delete = DeleteStateRequest {
        store_name: "store".to_owned(),
        key: "k".to_owned(),
        etag: Some(Etag { value: "999999".to_owned() }),
        ..DeleteStateRequest::default()
    };
    assert_eq!(client.delete_state(delete).await.unwrap_err().code(), Code::Aborted);
}
