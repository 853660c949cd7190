//! The same calls over every provider.

use pillion_capabilities::testing::RedisServer;
use serde_json::json;

use crate::sidecar::{Sidecar, redb, redis};
use crate::wire;

async fn round(sidecar: &Sidecar, provider: &str) {
    let body = r#"[{"key":"a","value":{"x":1}},{"key":"b","value":2,"metadata":{"ttlInSeconds":"100"}}]"#;
    sidecar.call("POST", "/v1.0/state/store", body).await.is_empty();
    for at in [sidecar.http(), sidecar.http_socket()] {
        let answer = wire::call(&at, "GET", "/v1.0/state/store/a", &[], "").await;
        assert_eq!(answer.json(), json!({"x": 1}), "{provider}");
        let etag = answer.etag();
        let body = format!(r#"[{{"key":"a","value":{{"x":1}},"etag":"{etag}"}}]"#);
        wire::call(&at, "POST", "/v1.0/state/store", &[], body.as_str()).await.is_empty();
        wire::call(&at, "POST", "/v1.0/state/store", &[], body.as_str()).await.failed(409, "ERR_STATE_SAVE");
    }
    for at in [sidecar.grpc(), sidecar.grpc_socket()] {
        let mut client = wire::grpc(&at).await;
        let request = dapr::dapr::proto::runtime::v1::GetStateRequest {
            store_name: "store".to_owned(),
            key: "b".to_owned(),
            ..Default::default()
        };
        let response = client.get_state(request).await.unwrap().into_inner();
        assert_eq!(response.data, b"2", "{provider}");
        assert!(response.metadata.contains_key("ttlExpireTime"), "{provider}");
    }
    let bulk = sidecar.call("POST", "/v1.0/state/store/bulk", r#"{"keys":["a","b","c"]}"#).await.json();
    assert_eq!(
        (&bulk[0]["data"], &bulk[1]["data"], &bulk[2]),
        (&json!({"x": 1}), &json!(2), &json!({"key": "c"}))
    );
    let body = r#"{"operations":[{"operation":"upsert","request":{"key":"c","value":3}},
        {"operation":"delete","request":{"key":"a"}}]}"#;
    sidecar.call("POST", "/v1.0/state/store/transaction", body).await.is_empty();
    sidecar.call("GET", "/v1.0/state/store/a", "").await.is_empty();
    assert_eq!(sidecar.call("GET", "/v1.0/state/store/c", "").await.json(), json!(3));
    sidecar.call("DELETE", "/v1.0/state/store/c", "").await.is_empty();
    sidecar.call("GET", "/v1.0/state/store/c", "").await.is_empty();
    let counted = [("get", 7), ("set", 6), ("bulk_get", 1), ("transact", 1), ("delete", 1)];
    for (operation, times) in counted {
        assert_eq!(sidecar.reached(Some(operation)).await, times, "{provider}: {operation}");
    }
}

#[tokio::test]
async fn memory() {
    round(&Sidecar::memory(), "memory").await;
}

#[tokio::test]
async fn redb_keeps_what_it_was_told() {
    let folder = tempfile::TempDir::new().unwrap();
    let components = redb(&folder.path().join("store.redb"));
    let sidecar = Sidecar::with(&components, &[]);
    round(&sidecar, "redb").await;
    drop(sidecar);
    let sidecar = Sidecar::with(&components, &[]);
    assert_eq!(sidecar.call("GET", "/v1.0/state/store/b", "").await.json(), json!(2));
}

#[tokio::test]
async fn real_redis() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let sidecar = Sidecar::with(&redis(server.address()), &[]);
    round(&sidecar, "redis").await;
}

/// What another program keeps under a key spoils no other, and is not taken for nothing.
#[tokio::test]
async fn what_is_no_value_has_an_error_among_many_keys() {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let sidecar = Sidecar::with(&redis(server.address()), &[]);
    let mut other = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    ::redis::cmd("SET").arg("app||text").arg("theirs").exec(&mut other).unwrap();
    ::redis::cmd("RPUSH").arg("app||list").arg("theirs").exec(&mut other).unwrap();
    sidecar.call("POST", "/v1.0/state/store", r#"[{"key":"a","value":1}]"#).await.is_empty();
    let body = r#"{"keys":["text","a","none","list"]}"#;
    let items = sidecar.call("POST", "/v1.0/state/store/bulk", body).await.json();
    assert_eq!((&items[1]["data"], &items[2]), (&json!(1), &json!({"key": "none"})));
    let request = dapr::dapr::proto::runtime::v1::GetBulkStateRequest {
        store_name: "store".to_owned(),
        keys: ["text", "a", "none", "list"].map(str::to_owned).to_vec(),
        ..Default::default()
    };
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let told = client.get_bulk_state(request).await.unwrap().into_inner().items;
    assert_eq!((&told[1].data[..], &*told[1].error, &*told[2].error), (&b"1"[..], "", ""));
    for (at, key, found) in [(0, "text", "value of another program"), (3, "list", "list")] {
        let error = format!("key app||{key} holds a {found}, not a value");
        assert_eq!(items[at], json!({"key": key, "error": error}));
        assert_eq!((&*told[at].key, &*told[at].error), (key, &*error));
        assert!(told[at].data.is_empty() && told[at].etag.is_empty());
        let get = sidecar.call("GET", &format!("/v1.0/state/store/{key}"), "").await;
        assert!(get.failed(500, "ERR_STATE_GET").ends_with(&error));
    }
}
