//! The official clients, as they are published.

use dapr::client::ClientOptions;
use dapr::dapr::proto::common::v1::StateItem;
use dapr::dapr::proto::runtime::v1::{
    ExecuteStateTransactionRequest, GetBulkStateRequest, TransactionalStateOperation,
};
use tokio::process::Command;

use crate::sidecar::Sidecar;
use crate::wire;

#[tokio::test]
async fn rust() {
    let sidecar = Sidecar::memory();
    for address in
        [format!("http://{}", sidecar.text("grpc")), format!("unix://{}", sidecar.text("grpc_socket"))]
    {
        let options = ClientOptions::new().with_address(address);
        let mut client = dapr::Client::from_options(options).await.unwrap();
        client.save_state("store", "k", b"v".to_vec(), None, None, None).await.unwrap();
        let response = client.get_state("store", "k", None).await.unwrap();
        assert_eq!(response.data, b"v");
        let stale = dapr::dapr::proto::common::v1::Etag { value: "999999".to_owned() };
        client.save_state("store", "k", b"w".to_vec(), Some(stale), None, None).await.unwrap_err();
        let items: Vec<StateItem> = vec![("a", b"1".to_vec()).into(), ("b", b"2".to_vec()).into()];
        client.save_bulk_states("store", items).await.unwrap();
        client.delete_bulk_state("store", [("a", Vec::new())]).await.unwrap();
        client.delete_state("store", "k", None).await.unwrap();
        assert!(client.get_state("store", "k", None).await.unwrap().data.is_empty());
        client.set_metadata("by", "rust").await.unwrap();
        assert_eq!(client.get_metadata().await.unwrap().extended_metadata["by"], "rust");
    }
    // The crate's `Client` has no bulk get and no transaction; the client generated from its protos has.
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let operation = |kind: &str, item: StateItem| TransactionalStateOperation {
        operation_type: kind.to_owned(),
        request: Some(item),
    };
    let request = ExecuteStateTransactionRequest {
        store_name: "store".to_owned(),
        operations: vec![
            operation("upsert", ("c", b"3".to_vec()).into()),
            operation("delete", ("b", Vec::new()).into()),
        ],
        ..ExecuteStateTransactionRequest::default()
    };
    client.execute_state_transaction(request).await.unwrap();
    let request = GetBulkStateRequest {
        store_name: "store".to_owned(),
        keys: ["a", "b", "c"].map(str::to_owned).to_vec(),
        ..GetBulkStateRequest::default()
    };
    let items = client.get_bulk_state(request).await.unwrap().into_inner().items;
    let values: Vec<_> = items.iter().map(|item| &item.data[..]).collect();
    assert_eq!(values, [&b""[..], b"", b"3"]);
}

#[tokio::test]
async fn python() {
    let Some(python) = std::env::var_os("PILLION_PYTHON") else {
        assert!(
            std::env::var_os("CI").is_none(),
            "PILLION_PYTHON must name a Python interpreter that has the package dapr; scripts/test sets it"
        );
        eprintln!(
            "SKIPPED: PILLION_PYTHON names no Python interpreter that has the package dapr; scripts/test sets it"
        );
        return;
    };
    let sidecar = Sidecar::memory();
    let port = |name: &str| sidecar.text(name).rsplit(':').next().unwrap().to_owned();
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/state.py"))
        .env("DAPR_HTTP_PORT", port("http"))
        .env("DAPR_GRPC_PORT", port("grpc"))
        .env_remove("DAPR_API_TOKEN")
        .env_remove("DAPR_GRPC_ENDPOINT")
        .env_remove("DAPR_HTTP_ENDPOINT")
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "save read delete bulk transaction etag",
        "{said}"
    );
}
