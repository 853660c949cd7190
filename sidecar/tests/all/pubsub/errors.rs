//! Failures to publish, in Dapr's words.

use dapr::dapr::proto::runtime::v1::{BulkPublishRequest, BulkPublishRequestEntry, PublishEventRequest};
use pillion_capabilities::testing::RedisServer;
use serde_json::{Value, json};
use tonic::Code;
use tonic_types::StatusExt;

use super::BUS;
use crate::sidecar::Sidecar;
use crate::wire;

/// The reason and the component that the details of a failure tell.
fn told(body: &Value) -> (String, String) {
    let details = body["details"].as_array().unwrap();
    let of =
        |kind: &str| details.iter().find(|detail| detail["@type"].as_str().unwrap().ends_with(kind)).unwrap();
    let (info, resource) = (of("ErrorInfo"), of("ResourceInfo"));
    assert_eq!((&info["domain"], &resource["resource_type"]), (&json!("dapr.io"), &json!("pubsub")));
    (info["reason"].as_str().unwrap().to_owned(), resource["resource_name"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn over_http() {
    let scoped = format!("{BUS}  metadata:\n  - name: publishingScopes\n    value: app=mine;other=theirs\n");
    let sidecar = Sidecar::with(&scoped, &[]);
    let json = [("content-type", "application/cloudevents+json")];
    for (path, headers, body, status, code, message, reason, name) in [
        (
            "/v1.0/publish/none/t",
            &[][..],
            "x",
            404,
            "ERR_PUBSUB_NOT_FOUND",
            "pubsub none is not found",
            "DAPR_PUBSUB_NOT_FOUND",
            "none",
        ),
        (
            "/v1.0/publish/bus/",
            &[],
            "x",
            404,
            "ERR_TOPIC_NAME_EMPTY",
            "topic is empty in pubsub bus",
            "DAPR_PUBSUB_TOPIC_NAME_EMPTY",
            "bus",
        ),
        (
            "/v1.0/publish/bus",
            &[],
            "x",
            404,
            "ERR_TOPIC_NAME_EMPTY",
            "topic is empty in pubsub bus",
            "DAPR_PUBSUB_TOPIC_NAME_EMPTY",
            "bus",
        ),
        (
            "/v1.0/publish/bus/mine?metadata.rawPayload=maybe",
            &[],
            "x",
            400,
            "ERR_PUBSUB_REQUEST_METADATA",
            "failed deserializing metadata: rawPayload value must be a valid boolean: actual is 'maybe'",
            "DAPR_PUBSUB_METADATA_DESERIALIZATION",
            "bus",
        ),
        (
            "/v1.0/publish/bus/mine",
            &json,
            "{\"",
            500,
            "ERR_PUBSUB_CLOUD_EVENTS_SER",
            "cannot create cloudevent",
            "DAPR_PUBSUB_CLOUD_EVENT_CREATION",
            "bus",
        ),
        (
            "/v1.0/publish/bus/theirs",
            &[],
            "x",
            403,
            "ERR_PUBSUB_FORBIDDEN",
            "topic theirs is not allowed for app id app",
            "DAPR_PUBSUB_FORBIDDEN",
            "bus",
        ),
        (
            "/v1.0/publish/bus/mine%20own",
            &[],
            "x",
            403,
            "ERR_PUBSUB_FORBIDDEN",
            "topic mine own is not allowed for app id app",
            "DAPR_PUBSUB_FORBIDDEN",
            "bus",
        ),
        (
            "/v1.0-alpha1/publish/bulk/bus/mine",
            &[],
            "{\"",
            400,
            "ERR_PUBSUB_EVENTS_SER",
            "error when unmarshaling the request for topic mine pubsub bus",
            "DAPR_PUBSUB_UNMARSHAL_EVENTS",
            "bus",
        ),
        (
            "/v1.0/publish/bulk/bus/mine",
            &[],
            r#"[{"entryId":"1"},{"entryId":"1"}]"#,
            400,
            "ERR_PUBSUB_EVENTS_SER",
            "error marshaling events to bytes for topic mine pubsub bus. error: entryId is duplicated or not present \
             for entry",
            "DAPR_PUBSUB_MARSHAL_EVENTS",
            "bus",
        ),
        (
            "/v1.0/publish/bulk/bus/mine",
            &[],
            r#"[{"event":"1"}]"#,
            400,
            "ERR_PUBSUB_EVENTS_SER",
            "entryId",
            "DAPR_PUBSUB_MARSHAL_EVENTS",
            "bus",
        ),
        (
            "/v1.0/publish/bulk/bus/mine",
            &[],
            r#"[{"entryId":"1","event":1,"contentType":"text/plain"}]"#,
            400,
            "ERR_PUBSUB_EVENTS_SER",
            "contentType mismatch",
            "DAPR_PUBSUB_UNMARSHAL_EVENTS",
            "bus",
        ),
        (
            "/v1.0/publish/bulk/bus/",
            &[],
            "[]",
            404,
            "ERR_TOPIC_NAME_EMPTY",
            "topic is empty in pubsub bus",
            "DAPR_PUBSUB_TOPIC_NAME_EMPTY",
            "bus",
        ),
    ] {
        let answer = wire::call(&sidecar.http(), "POST", path, headers, body).await;
        let said = answer.failed(status, code);
        assert!(said.contains(message), "{path}: {said}");
        assert_eq!(told(&answer.json()), (reason.to_owned(), name.to_owned()), "{path}");
    }
    let bulk = sidecar.call("POST", "/v1.0/publish/bulk/bus/theirs", "[]").await;
    assert_eq!(bulk.failed(403, "ERR_PUBSUB_FORBIDDEN"), "topic theirs is not allowed for app id app");
    let answer = Sidecar::memory().call("POST", "/v1.0/publish/bus/t", "x").await;
    assert_eq!(answer.failed(400, "ERR_PUBSUB_NOT_CONFIGURED"), "pubsub bus is not configured");
}

#[tokio::test]
async fn over_grpc() {
    let scoped = format!("{BUS}  metadata:\n  - name: allowedTopics\n    value: mine\n");
    let sidecar = Sidecar::with(&scoped, &[]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let event =
        |pubsub: &str, topic: &str, metadata: &[(&str, &str)], content_type: &str| PublishEventRequest {
            pubsub_name: pubsub.to_owned(),
            topic: topic.to_owned(),
            data: b"{".to_vec(),
            data_content_type: content_type.to_owned(),
            metadata: metadata
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
    for (request, code, message, reason) in [
        (event("", "t", &[], ""), Code::InvalidArgument, "pubsub name is empty", "DAPR_PUBSUB_NAME_EMPTY"),
        (
            event("none", "t", &[], ""),
            Code::InvalidArgument,
            "pubsub none is not found",
            "DAPR_PUBSUB_NOT_FOUND",
        ),
        (
            event("bus", "", &[], ""),
            Code::InvalidArgument,
            "topic is empty in pubsub bus",
            "DAPR_PUBSUB_TOPIC_NAME_EMPTY",
        ),
        (
            event("bus", "mine", &[("rawPayload", "x")], ""),
            Code::InvalidArgument,
            "valid boolean: actual is 'x'",
            "DAPR_PUBSUB_METADATA_DESERIALIZATION",
        ),
        (
            event("bus", "mine", &[], "application/cloudevents+json"),
            Code::InvalidArgument,
            "cannot create cloudevent",
            "DAPR_PUBSUB_CLOUD_EVENT_CREATION",
        ),
        (
            event("bus", "other", &[], ""),
            Code::PermissionDenied,
            "topic other is not allowed for app id app",
            "DAPR_PUBSUB_FORBIDDEN",
        ),
    ] {
        let status = client.publish_event(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(message), "{status}");
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, reason);
    }
    let entry =
        |id: &str| BulkPublishRequestEntry { entry_id: id.to_owned(), ..BulkPublishRequestEntry::default() };
    let bulk = |entries: Vec<BulkPublishRequestEntry>, topic: &str| BulkPublishRequest {
        pubsub_name: "bus".to_owned(),
        topic: topic.to_owned(),
        entries,
        ..BulkPublishRequest::default()
    };
    let status = client.bulk_publish_event(bulk(vec![entry("1"), entry("1")], "mine")).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("entryId is duplicated or not present"), "{status}");
    let status = client.bulk_publish_event(bulk(vec![entry("1")], "other")).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let answer = client.bulk_publish_event(bulk(vec![entry("1"), entry("2")], "mine")).await.unwrap();
    assert_eq!(answer.into_inner().failed_entries, []);
}

#[tokio::test]
async fn who_may_not_publish_never_reaches_the_provider() {
    let scoped = format!("{BUS}  metadata:\n  - name: publishingScopes\n    value: app=mine\n");
    let sidecar = Sidecar::with_environment(&scoped, &[], &[("DAPR_API_TOKEN", "secret")]);
    let token = [("dapr-api-token", "secret")];
    for path in [
        "/v1.0/publish/bus/theirs",
        "/v1.0/publish/bus/mine/../theirs",
        "/v1.0/publish/bus/mine/./../theirs/",
        "/v1.0/publish/bus/%6Dine%2F..%2Ftheirs",
        "/v1.0/publish/bus/mine%00",
        "/v1.0/publish/bus/Mine",
        "/v1.0/state/../publish/bus/a/b/c/d/e/f/g/../h",
    ] {
        wire::call(&sidecar.http(), "POST", path, &token, "x").await.failed(403, "ERR_PUBSUB_FORBIDDEN");
    }
    for token in ["", "wrong"] {
        let answer =
            wire::call(&sidecar.http(), "POST", "/v1.0/publish/bus/mine", &[("dapr-api-token", token)], "x")
                .await;
        assert_eq!(answer.status.as_u16(), 401);
    }
    wire::call(&sidecar.http(), "POST", "/v1.0/publish/bus/%ff", &token, "x")
        .await
        .failed(400, "ERR_MALFORMED_REQUEST");
    assert_eq!(published(&sidecar).await, 0);
    // The same topic, however it is written.
    for path in
        ["/v1.0/publish/bus/mine", "/v1.0//publish/./bus/theirs/..//mine/", "/v1.0/publish/bus/%6Dine?"]
    {
        wire::call(&sidecar.http(), "POST", path, &token, "x").await.is_empty();
    }
    assert_eq!(published(&sidecar).await, 3);
}

/// How often something was published.
async fn published(sidecar: &Sidecar) -> u64 {
    let answer = wire::call(&wire::At::Tcp(sidecar.text("metrics")), "GET", "/metrics", &[], "").await;
    crate::process::calls(std::str::from_utf8(&answer.body).unwrap(), "bus", Some("publish"))
}

/// Publishes over both protocols, one event and many, where there is room for no more.
async fn overloaded(sidecar: &Sidecar, said: &str) {
    let told_of = sidecar.call("POST", "/v1.0/publish/bus/t", "x").await;
    let (reason, name) = told(&told_of.json());
    assert_eq!((reason.as_str(), name.as_str()), ("DAPR_PUBSUB_PUBLISH_MESSAGE", "bus"));
    let message = told_of.failed(429, "ERR_PUBSUB_PUBLISH_MESSAGE");
    assert!(message.contains("overloaded") && message.contains(said), "{message}");
    let entries = r#"[{"entryId":"a","event":"x"},{"entryId":"b","event":"y"}]"#;
    let answer = sidecar.call("POST", "/v1.0/publish/bulk/bus/t", entries).await;
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), &body["errorCode"]), (429, &json!("ERR_PUBSUB_PUBLISH_MESSAGE")));
    let failed = body["failedEntries"].as_array().unwrap();
    assert!(failed.iter().all(|entry| entry["error"].as_str().unwrap().contains(said)), "{body}");
    assert_eq!(failed.len(), 2);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let request =
        PublishEventRequest { pubsub_name: "bus".to_owned(), topic: "t".to_owned(), ..Default::default() };
    let status = client.publish_event(request).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert_eq!(status.get_details_error_info().unwrap().reason, "DAPR_PUBSUB_PUBLISH_MESSAGE");
    let entry = |id: &str| BulkPublishRequestEntry { entry_id: id.to_owned(), ..Default::default() };
    let request = BulkPublishRequest {
        pubsub_name: "bus".to_owned(),
        topic: "t".to_owned(),
        entries: vec![entry("a"), entry("b")],
        ..Default::default()
    };
    let failed = client.bulk_publish_event(request).await.unwrap().into_inner().failed_entries;
    let failed: Vec<_> =
        failed.iter().map(|entry| (entry.entry_id.as_str(), entry.error.contains(said))).collect();
    assert_eq!(failed, [("a", true), ("b", true)]);
}

#[tokio::test]
async fn more_than_a_queue_holds_is_an_overload() {
    let full = |place: usize| json!({ "entryId": place.to_string(), "event": "x" });
    let many = Value::Array((0..65_536).map(full).collect());
    let app = super::subscriber(super::one("t"), |_| (500, "")).await;
    let sidecar = super::beside(&app, BUS, 1).await;
    // What the app never takes is held for it.
    sidecar.call("POST", "/v1.0/publish/bulk/bus/t", many.to_string()).await.is_empty();
    overloaded(&sidecar, "t").await;
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let components = super::servers::over_redis(&server, &[("maxLenApprox", "3")]);
    let sidecar = super::beside(&app, &components, 1).await;
    // Some fit and some do not; one that failed for another reason would be 500.
    let four = Value::Array((0..4).map(full).collect());
    let answer = sidecar.call("POST", "/v1.0/publish/bulk/bus/t", four.to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.json()["failedEntries"].as_array().unwrap().len()), (429, 1));
    overloaded(&sidecar, "topic t holds 3 messages").await;
}
