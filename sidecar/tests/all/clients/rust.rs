//! The crate `dapr`.

use dapr::client::ClientOptions;
use dapr::dapr::proto::common::v1::StateItem;
use dapr::dapr::proto::runtime::v1::{
    ExecuteStateTransactionRequest, GetBulkStateRequest, TransactionalStateOperation,
};

use crate::sidecar::Sidecar;
use crate::wire;

#[tokio::test]
async fn state() {
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
