//! The state API over gRPC.

use std::collections::HashMap;

use dapr::dapr::proto::common::v1::StateItem;
use dapr::dapr::proto::runtime::v1::dapr_client::DaprClient;
use dapr::dapr::proto::runtime::v1::{
    DeleteBulkStateRequest, DeleteStateRequest, ExecuteStateTransactionRequest, GetBulkStateRequest,
    GetStateRequest, GetStateResponse, QueryStateRequest, SaveStateRequest, SubtleGetKeyRequest,
    TransactionalStateOperation,
};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::sidecar::Sidecar;
use crate::wire;

type Client = DaprClient<Channel>;

fn item(key: &str, value: &[u8]) -> StateItem {
    StateItem { key: key.to_owned(), value: value.to_vec(), ..StateItem::default() }
}

async fn save(client: &mut Client, states: Vec<StateItem>) -> Result<(), Status> {
    client.save_state(SaveStateRequest { store_name: "store".to_owned(), states }).await.map(drop)
}

async fn get(client: &mut Client, key: &str) -> Result<GetStateResponse, Status> {
    let request =
        GetStateRequest { store_name: "store".to_owned(), key: key.to_owned(), ..GetStateRequest::default() };
    client.get_state(request).await.map(tonic::Response::into_inner)
}

fn operation(kind: &str, item: StateItem) -> TransactionalStateOperation {
    TransactionalStateOperation { operation_type: kind.to_owned(), request: Some(item) }
}

fn transaction(operations: Vec<TransactionalStateOperation>) -> ExecuteStateTransactionRequest {
    ExecuteStateTransactionRequest {
        store_name: "store".to_owned(),
        operations,
        ..ExecuteStateTransactionRequest::default()
    }
}

#[tokio::test]
async fn a_value_is_its_bytes_on_either_transport() {
    let sidecar = Sidecar::memory();
    let mut tcp = wire::grpc(&sidecar.grpc()).await;
    let mut unix = wire::grpc(&sidecar.grpc_socket()).await;
    for value in [&b"\x00\xff raw"[..], b"", &vec![7; 65_536]] {
        save(&mut tcp, vec![item("k", value)]).await.unwrap();
        let response = get(&mut unix, "k").await.unwrap();
        assert_eq!(response.data, value);
        assert!(!response.etag.is_empty());
        assert!(response.metadata.is_empty());
    }
    assert_eq!((sidecar.reached(Some("set")).await, sidecar.reached(Some("get")).await), (3, 3));
}

#[tokio::test]
async fn what_is_missing_is_empty() {
    let sidecar = Sidecar::memory();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    assert_eq!(get(&mut client, "missing").await.unwrap(), GetStateResponse::default());
    save(&mut client, Vec::new()).await.unwrap();
}

#[tokio::test]
async fn json_is_checked_when_it_is_announced() {
    let sidecar = Sidecar::memory();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let announced = |value: &[u8]| {
        let metadata = HashMap::from([("contentType".to_owned(), "application/json".to_owned())]);
        StateItem { metadata, ..item("k", value) }
    };
    save(&mut client, vec![announced(br#"{"a":1}"#)]).await.unwrap();
    let status = save(&mut client, vec![announced(b"{a:1}")]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(sidecar.call("GET", "/v1.0/state/store/k", "").await.json(), serde_json::json!({"a": 1}));
}

#[tokio::test]
async fn a_key_that_expires_tells_when() {
    let sidecar = Sidecar::memory();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let with_ttl = |ttl: &str| StateItem {
        metadata: HashMap::from([("ttlInSeconds".to_owned(), ttl.to_owned())]),
        ..item("k", b"v")
    };
    save(&mut client, vec![with_ttl("100")]).await.unwrap();
    let response = get(&mut client, "k").await.unwrap();
    chrono::DateTime::parse_from_rfc3339(&response.metadata["ttlExpireTime"]).unwrap();
    let status = save(&mut client, vec![with_ttl("1.5")]).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("ttlInSeconds"), "{status}");
}

#[tokio::test]
async fn many_keys_at_once() {
    let sidecar = Sidecar::memory();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    save(&mut client, vec![item("a", b"1"), item("b", b"2"), item("c", b"3")]).await.unwrap();
    let delete = DeleteBulkStateRequest {
        store_name: "store".to_owned(),
        states: vec![item("c", b""), item("x", b"")],
    };
    client.delete_bulk_state(delete).await.unwrap();
    let keys = ["b", "c", "a"].map(str::to_owned).to_vec();
    let request =
        GetBulkStateRequest { store_name: "store".to_owned(), keys, ..GetBulkStateRequest::default() };
    let items = client.get_bulk_state(request).await.unwrap().into_inner().items;
    let seen: Vec<_> =
        items.iter().map(|item| (item.key.as_str(), &item.data[..], item.etag.is_empty())).collect();
    assert_eq!(seen, [("b", &b"2"[..], false), ("c", b"", true), ("a", b"1", false)]);

    let delete = DeleteStateRequest {
        store_name: "store".to_owned(),
        key: "a".to_owned(),
        ..DeleteStateRequest::default()
    };
    client.delete_state(delete).await.unwrap();
    assert!(get(&mut client, "a").await.unwrap().etag.is_empty());
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing() {
    let sidecar = Sidecar::memory();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    save(&mut client, vec![item("old", b"0")]).await.unwrap();
    let good =
        transaction(vec![operation("upsert", item("new", b"1")), operation("delete", item("old", b""))]);
    client.execute_state_transaction(good).await.unwrap();
    assert!(get(&mut client, "old").await.unwrap().data.is_empty());
    assert_eq!(get(&mut client, "new").await.unwrap().data, b"1");

    let mut stale = item("new", b"2");
    stale.etag = Some(dapr::dapr::proto::common::v1::Etag { value: "999999".to_owned() });
    let stale = transaction(vec![operation("upsert", item("other", b"1")), operation("upsert", stale)]);
    let status = client.execute_state_transaction(stale).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().starts_with("error while executing state transaction: possible etag mismatch"));
    assert!(get(&mut client, "other").await.unwrap().data.is_empty());

    let before = sidecar.reached(None).await;
    let wrong = transaction(vec![operation("append", item("new", b"1"))]);
    let status = client.execute_state_transaction(wrong).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unimplemented, "operation type append not supported")
    );
    client.execute_state_transaction(transaction(Vec::new())).await.unwrap();
    assert_eq!(sidecar.reached(None).await, before);
}

#[tokio::test]
async fn failures_carry_details() {
    let sidecar = Sidecar::memory();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let request =
        GetStateRequest { store_name: "nope".to_owned(), key: "k".to_owned(), ..GetStateRequest::default() };
    let status = client.get_state(request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "state store nope is not found"));
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("DAPR_STATE_NOT_FOUND", "dapr.io"));
    assert_eq!(info.metadata["appID"], "app");
    let resource = details.resource_info().unwrap();
    assert_eq!((resource.resource_type.as_str(), resource.resource_name.as_str()), ("state", "nope"));

    let status = get(&mut client, "a||b").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "DAPR_STATE_ILLEGAL_KEY");
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "a||b");

    let status = save(&mut client, vec![item("good", b"1"), item("", b"2")]).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "state key cannot be empty"));
    let info = status.get_details_error_info().unwrap();
    assert_eq!(info.metadata["http.error_message"], "state key cannot be empty");

    let query = QueryStateRequest { store_name: "store".to_owned(), ..QueryStateRequest::default() };
    let status = client.query_state_alpha1(query).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "state store does not support querying"));
    assert_eq!(sidecar.reached(None).await, 0);
}

#[tokio::test]
async fn without_any_store_none_is_configured() {
    let sidecar = Sidecar::with("", &[]);
    let status = get(&mut wire::grpc(&sidecar.grpc()).await, "k").await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_method_that_is_not_there_is_named() {
    let sidecar = Sidecar::memory();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let status = client.subtle_get_key_alpha1(SubtleGetKeyRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("SubtleGetKeyAlpha1"), "{status}");
}
