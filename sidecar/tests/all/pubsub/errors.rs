//! Failures to publish, in Dapr's words.

use dapr::dapr::proto::runtime::v1::{BulkPublishRequest, BulkPublishRequestEntry, PublishEventRequest};
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
