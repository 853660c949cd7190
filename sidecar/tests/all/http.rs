//! The state API over HTTP.

use serde_json::json;

use crate::sidecar::{MEMORY, Sidecar};
use crate::wire::{self, Answer};

async fn save(sidecar: &Sidecar, body: &str) -> Answer {
    sidecar.call("POST", "/v1.0/state/store", body).await
}

#[tokio::test]
async fn a_value_is_its_json_text() {
    let sidecar = Sidecar::memory();
    for (value, stored) in [
        (r#""v1""#, r#""v1""#),
        (r#"{"b":1,"a":[2,3]}"#, r#"{"b":1,"a":[2,3]}"#),
        ("3.50", "3.50"),
        ("null", "null"),
        (r#""ä€😀""#, r#""ä€😀""#),
    ] {
        save(&sidecar, &format!(r#"[{{"key":"k","value":{value}}}]"#)).await.is_empty();
        let answer = sidecar.call("GET", "/v1.0/state/store/k", "").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, stored.as_bytes()));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(!answer.etag().is_empty());
        assert_eq!(answer.header("metadata.ttlexpiretime"), None);
    }
    assert_eq!((sidecar.reached(Some("set")).await, sidecar.reached(Some("get")).await), (5, 5));
}

#[tokio::test]
async fn what_is_missing_is_no_content() {
    let sidecar = Sidecar::memory();
    sidecar.call("GET", "/v1.0/state/store/missing", "").await.is_empty();
    sidecar.call("DELETE", "/v1.0/state/store/missing", "").await.is_empty();
    save(&sidecar, "[]").await.is_empty();
    save(&sidecar, "null").await.is_empty();
    assert_eq!(sidecar.reached(Some("set")).await, 0);
}

#[tokio::test]
async fn works_on_a_unix_socket_and_over_http2_alike() {
    let sidecar = Sidecar::memory();
    let socket = sidecar.http_socket();
    wire::call(&socket, "PUT", "/v1.0/state/store", &[], r#"[{"key":"k","value":1}]"#).await.is_empty();
    assert_eq!(&wire::call(&socket, "GET", "/v1.0/state/store/k", &[], "").await.body[..], b"1");

    let stream = tokio::net::TcpStream::connect(sidecar.text("http")).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://localhost/v1.0/state/store/k");
    let request = request.body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, 200));
}

#[tokio::test]
async fn names_in_any_case_slashes_and_question_marks_are_forgiven() {
    let sidecar = Sidecar::memory();
    let body = r#"[{"KEY":"a b/c?ü","Value":1,"eTag":null,"metaData":null,"options":{},"unknown":[{}]}]"#;
    sidecar.call("PUT", "//v1.0/state/store/?", body).await.is_empty();
    // As Go reads it, an empty text.
    save(&sidecar, r#"[{"key":"k","value":1,"metadata":{"own":null}}]"#).await.is_empty();
    let encoded = "/v1.0/state/store/a%20b%2Fc%3F%C3%BC";
    for path in [encoded.to_owned(), format!("{encoded}/"), format!("{encoded}?"), format!("{encoded}/?")] {
        assert_eq!(&sidecar.call("GET", &path, "").await.body[..], b"1", "{path}");
    }
    sidecar.call("GET", "/v1.0/state/store/a+b%2Fc%3F%C3%BC", "").await.is_empty();
}

#[tokio::test]
async fn a_key_that_expires_tells_when() {
    let sidecar = Sidecar::memory();
    save(&sidecar, r#"[{"key":"k","value":1,"metadata":{"ttlInSeconds":"100"}}]"#).await.is_empty();
    let expires = sidecar.call("GET", "/v1.0/state/store/k", "").await;
    let expires = expires.header("metadata.ttlexpiretime").unwrap().to_owned();
    let expires = chrono::DateTime::parse_from_rfc3339(&expires).unwrap();
    let left = expires.signed_duration_since(chrono::Utc::now()).num_seconds();
    assert!((60..=100).contains(&left), "{left} s left");
    let bulk = sidecar.call("POST", "/v1.0/state/store/bulk", r#"{"keys":["k"]}"#).await.json();
    assert!(bulk[0]["metadata"]["ttlExpireTime"].is_string(), "{bulk}");

    // What the query string says wins; zero and less are for ever.
    let body = r#"[{"key":"k","value":1,"metadata":{"ttlInSeconds":"100"}}]"#;
    sidecar.call("POST", "/v1.0/state/store?metadata.ttlInSeconds=-1", body).await.is_empty();
    let answer = sidecar.call("GET", "/v1.0/state/store/k", "").await;
    assert_eq!(answer.header("metadata.ttlexpiretime"), None);

    let wrong = save(&sidecar, r#"[{"key":"k","value":2,"metadata":{"ttlInSeconds":"soon"}}]"#).await;
    assert!(wrong.failed(500, "ERR_STATE_SAVE").contains("ttlInSeconds"));
    assert_eq!(&sidecar.call("GET", "/v1.0/state/store/k", "").await.body[..], b"1");
}

#[tokio::test]
async fn an_empty_time_to_live_is_none() {
    let sidecar = Sidecar::memory();
    let body = |ttl: &str| format!(r#"[{{"key":"k","value":1,"metadata":{{"ttlInSeconds":{ttl}}}}}]"#);
    for (query, ttl) in [("", r#""""#), ("", "null"), ("?metadata.ttlInSeconds=", r#""100""#)] {
        let path = format!("/v1.0/state/store{query}");
        sidecar.call("POST", &path, body(ttl)).await.is_empty();
        let answer = sidecar.call("GET", "/v1.0/state/store/k", "").await;
        assert_eq!(
            (&answer.body[..], answer.header("metadata.ttlexpiretime")),
            (&b"1"[..], None),
            "{query} {ttl}"
        );
        sidecar.call("DELETE", "/v1.0/state/store/k", "").await.is_empty();
    }
}

#[tokio::test]
async fn many_keys_are_read_at_once() {
    let sidecar = Sidecar::memory();
    save(&sidecar, r#"[{"key":"a","value":{"x":1}},{"key":"b","value":"2"}]"#).await.is_empty();
    let mut grpc = wire::grpc(&sidecar.grpc()).await;
    let raw = dapr::dapr::proto::common::v1::StateItem {
        key: "raw".to_owned(),
        value: b"{not json".to_vec(),
        ..Default::default()
    };
    let request = dapr::dapr::proto::runtime::v1::SaveStateRequest {
        store_name: "store".to_owned(),
        states: vec![raw],
    };
    grpc.save_state(request).await.unwrap();

    let body = r#"{"keys":["b","missing","a","raw"],"parallelism":2,"metadata":{}}"#;
    let answer = sidecar.call("POST", "/v1.0/state/store/bulk", body).await;
    assert_eq!(answer.status.as_u16(), 200);
    let mut items = answer.json();
    for item in items.as_array_mut().unwrap() {
        if let Some(etag) = item.as_object_mut().unwrap().remove("etag") {
            assert!(etag.is_string());
        }
    }
    let error = items[3].as_object_mut().unwrap().remove("error").unwrap();
    assert!(error.as_str().unwrap().contains("not JSON"));
    assert_eq!(
        items,
        json!([{"key":"b","data":"2"}, {"key":"missing"}, {"key":"a","data":{"x":1}}, {"key":"raw"}])
    );
    assert_eq!(sidecar.call("POST", "/v1.0/state/store/bulk", r#"{"keys":[]}"#).await.json(), json!([]));
    assert_eq!(sidecar.reached(Some("bulk_get")).await, 1);
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let sidecar = Sidecar::memory();
    save(&sidecar, r#"[{"key":"old","value":0}]"#).await.is_empty();
    let path = "/v1.0/state/store/transaction";
    let good = r#"{"operations":[{"operation":"upsert","request":{"key":"new","value":1}},
        {"operation":"delete","request":{"key":"old"}}],"metadata":{"any":"thing"}}"#;
    sidecar.call("POST", path, good).await.is_empty();
    sidecar.call("GET", "/v1.0/state/store/old", "").await.is_empty();
    assert_eq!(&sidecar.call("GET", "/v1.0/state/store/new", "").await.body[..], b"1");

    let stale = r#"{"operations":[{"operation":"upsert","request":{"key":"other","value":1}},
        {"operation":"upsert","request":{"key":"new","value":2,"etag":"999999","options":{"concurrency":"first-write"}}}]}"#;
    let message = sidecar.call("POST", path, stale).await.failed(500, "ERR_STATE_TRANSACTION");
    assert!(
        message.starts_with("error while executing state transaction: possible etag mismatch"),
        "{message}"
    );
    sidecar.call("GET", "/v1.0/state/store/other", "").await.is_empty();

    let before = sidecar.reached(None).await;
    let wrong = r#"{"operations":[{"operation":"append","request":{"key":"new","value":1}}]}"#;
    let message = sidecar.call("POST", path, wrong).await.failed(400, "ERR_NOT_SUPPORTED_STATE_OPERATION");
    assert_eq!(message, "operation type append not supported");
    sidecar.call("PUT", path, r#"{"operations":[]}"#).await.is_empty();
    assert_eq!(sidecar.reached(None).await, before);
}

#[tokio::test]
async fn what_is_malformed_never_reaches_the_provider() {
    let sidecar = Sidecar::memory();
    for body in [
        "",
        "{",
        "{}",
        r#"[{"key":1,"value":1}]"#,
        r#"[{"key":"k","value":}]"#,
        "[1]",
        "\u{0}",
        r#"[{"key":"k","value":1,"metadata":{"ttlInSeconds":1}}]"#,
        r#"[{"key":"k","value":1}"#,
        r#"[{"key":"k","value":1}] and more"#,
    ] {
        let message = save(&sidecar, body).await.failed(400, "ERR_MALFORMED_REQUEST");
        assert!(message.starts_with("failed deserializing HTTP body: "), "{message}");
    }
    let deep = format!(r#"[{{"key":"k","value":{}}}]"#, "[".repeat(100_000));
    save(&sidecar, &deep).await.failed(400, "ERR_MALFORMED_REQUEST");
    let no_key = save(&sidecar, r#"[{"key":"good","value":1},{"value":1}]"#).await;
    assert_eq!(no_key.failed(400, "ERR_MALFORMED_REQUEST"), "\"key\" is a required field");
    let illegal = save(&sidecar, r#"[{"key":"good","value":1},{"key":"a||b","value":1}]"#).await;
    illegal.failed(400, "ERR_MALFORMED_REQUEST");
    sidecar.call("GET", "/v1.0/state/store/%FF", "").await.failed(400, "ERR_MALFORMED_REQUEST");
    sidecar.call("POST", "/v1.0/state/store/bulk", "[]").await.failed(400, "ERR_MALFORMED_REQUEST");
    sidecar
        .call("POST", "/v1.0/state/store/bulk", r#"{"keys":["a||b"]}"#)
        .await
        .failed(400, "ERR_MALFORMED_REQUEST");
    sidecar.call("POST", "/v1.0/state/store/transaction", "{").await.failed(400, "ERR_MALFORMED_REQUEST");
    assert_eq!(sidecar.reached(None).await, 0);
}

#[tokio::test]
async fn failures_carry_details() {
    let sidecar = Sidecar::memory();
    let store = json!({
        "@type": "type.googleapis.com/google.rpc.ResourceInfo",
        "resource_type": "state", "resource_name": "nope", "owner": "", "description": "",
    });
    let answer = sidecar.call("GET", "/v1.0/state/nope/k", "").await;
    assert_eq!(answer.status.as_u16(), 400);
    assert_eq!(
        answer.json(),
        json!({
            "errorCode": "ERR_STATE_STORE_NOT_FOUND",
            "message": "state store nope is not found",
            "details": [store, {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "DAPR_STATE_NOT_FOUND", "domain": "dapr.io", "metadata": {"appID": "app"},
            }],
        })
    );
    for (method, path) in [
        ("DELETE", "/v1.0/state/nope/k"),
        ("POST", "/v1.0/state/nope"),
        ("POST", "/v1.0/state/nope/bulk"),
        ("POST", "/v1.0/state/nope/transaction"),
        ("POST", "/v1.0-alpha1/state/nope/query"),
    ] {
        sidecar.call(method, path, "{}").await.failed(400, "ERR_STATE_STORE_NOT_FOUND");
    }
    let illegal = sidecar.call("GET", "/v1.0/state/store/a%7C%7Cb", "").await;
    assert_eq!(illegal.failed(400, "ERR_MALFORMED_REQUEST"), "input key/keyPrefix 'a||b' can't contain '||'");
    let details = illegal.json()["details"].clone();
    assert_eq!(details[0]["field_violations"][0]["field"], "a||b");
    assert_eq!(details[2]["reason"], "DAPR_STATE_ILLEGAL_KEY");

    let query = sidecar.call("POST", "/v1.0-alpha1/state/store/query", r#"{"filter":{}}"#).await;
    assert_eq!(query.failed(500, "ERR_STATE_STORE_NOT_SUPPORTED"), "state store does not support querying");
    assert_eq!(query.json()["details"][1]["reason"], "DAPR_STATE_QUERYING_NOT_SUPPORTED");
    assert_eq!(sidecar.reached(None).await, 0);
}

#[tokio::test]
async fn without_any_store_none_is_configured() {
    let sidecar = Sidecar::with("", &[]);
    let answer = sidecar.call("GET", "/v1.0/state/store/k", "").await;
    assert_eq!(answer.failed(500, "ERR_STATE_STORE_NOT_CONFIGURED"), "state store store is not configured");
}

#[tokio::test]
async fn a_prefix_keeps_apps_apart_or_together() {
    let prefixed = |value: &str| format!("{MEMORY}  metadata:\n  - name: keyPrefix\n    value: {value}\n");
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("store.redb");
    // One durable store is read under one prefix after the other; what each sees tells how the key was stored.
    let redb = |prefix: &str| {
        prefixed(prefix).replace("state.in-memory", "state.redb")
            + &format!("  - name: path\n    value: {}\n", file.display())
    };
    for (prefix, key) in [
        ("appid", "app||k"),
        ("name", "store||k"),
        ("namespace", "prod.app||k"),
        ("none", "k"),
        ("mine", "mine||k"),
    ] {
        let body = format!(r#"[{{"key":"k","value":"{key}"}}]"#);
        let sidecar = Sidecar::with_environment(&redb(prefix), &[], &[("NAMESPACE", "prod")]);
        save(&sidecar, &body).await.is_empty();
    }
    // `||` may not stand in a key, so the stored keys are read by their own prefixes written out.
    for (prefix, key) in
        [("app", "app||k"), ("store", "store||k"), ("prod.app", "prod.app||k"), ("none", "k"), ("MINE", "")]
    {
        let sidecar = Sidecar::with(&redb(prefix), &[]);
        let answer = sidecar.call("GET", "/v1.0/state/store/k", "").await;
        if key.is_empty() {
            answer.is_empty();
        } else {
            assert_eq!(answer.json(), *key, "{prefix}");
        }
    }
}
