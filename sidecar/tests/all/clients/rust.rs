//! The crate `dapr`.

use std::collections::HashMap;

use dapr::client::{ClientOptions, DaprInterface};
use dapr::dapr::proto::common::v1::{InvokeRequest, InvokeResponse, StateItem};
use dapr::dapr::proto::runtime::v1::app_callback_server::{AppCallback, AppCallbackServer};
use dapr::dapr::proto::runtime::v1::{
    BindingEventRequest, BindingEventResponse, ExecuteStateTransactionRequest, GetBulkStateRequest,
    JobEventRequest, JobEventResponse, ListInputBindingsResponse, ListTopicSubscriptionsResponse,
    TopicEventBulkRequest, TopicEventBulkResponse, TopicEventRequest, TopicEventResponse,
    TransactionalStateOperation,
};
use tonic::{Request, Response, Status};

use super::stage::Stage;
use crate::app::App;
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

#[tokio::test]
async fn secrets_configuration_and_bindings() {
    let Some(stage) = Stage::with_blocks().await else { return };
    let mut client = client(&stage.sidecar).await;
    let secret = client.get_secret("secrets", "top").await.unwrap();
    assert_eq!(secret.data["top"], "secret");
    let secrets = client.get_bulk_secret("secrets", None).await.unwrap().data;
    assert_eq!((secrets.len(), &*secrets["nested:inner"].secrets["nested:inner"]), (2, "deep"));
    client.get_secret("nowhere", "top").await.unwrap_err();

    stage.set_item("limit", "ten||1").await;
    let items =
        client.get_configuration("configuration", vec!["limit", "missing"], None).await.unwrap().items;
    assert_eq!((items.len(), &*items["limit"].value, &*items["limit"].version), (1, "ten", "1"));
    let mut stream = client.subscribe_configuration("configuration", vec!["limit"], None).await.unwrap();
    let id = stream.message().await.unwrap().unwrap().id;
    stage.set_item("limit", "twelve||2").await;
    assert_eq!(stream.message().await.unwrap().unwrap().items["limit"].value, "twelve");
    assert!(client.unsubscribe_configuration("configuration", &id).await.unwrap().ok);

    let named = || Some(HashMap::from([("fileName".to_owned(), "note.txt".to_owned())]));
    client.invoke_binding("files", b"hello file".to_vec(), "create", named()).await.unwrap();
    let found = client.invoke_binding("files", Vec::new(), "get", named()).await.unwrap();
    assert_eq!(found.data, b"hello file");
    client.invoke_output_binding("web", "get").await.unwrap();
    client.invoke_output_binding("nowhere", "get").await.unwrap_err();
}

#[tokio::test]
async fn invocation() {
    let data = || Some(prost_types::Any { type_url: String::new(), value: b"hello".to_vec() });
    let stage = Stage::for_app("grpc");
    let _app = serve(stage.app_port, AppCallbackServer::new(Called)).await;
    stage.until_open().await;
    let mut caller = client(&stage.sidecar).await;
    let response = caller.invoke_service("app", "method", data()).await.unwrap();
    assert_eq!(response.data.unwrap().value, b"method hello");
    caller.invoke_service("nobody", "method", None).await.unwrap_err();

    // The crate names no verb, without which Dapr calls no app over HTTP.
    let stage = Stage::for_app("http");
    let _app = App::start_at(stage.app_port, |_| (http::StatusCode::OK, String::new())).await;
    stage.until_open().await;
    let error = client(&stage.sidecar).await.invoke_service("app", "method", data()).await.unwrap_err();
    assert!(format!("{error:?}").contains("missing HTTP extension field"), "{error:?}");
}

/// An app as the crate's examples have it: the generated server, of which it needs one method.
struct Called;

#[tonic::async_trait]
impl AppCallback for Called {
    async fn on_invoke(&self, request: Request<InvokeRequest>) -> Result<Response<InvokeResponse>, Status> {
        let request = request.into_inner();
        let data = [request.method.as_bytes(), b" ", &request.data.unwrap_or_default().value].concat();
        let data = Some(prost_types::Any { type_url: String::new(), value: data });
        Ok(Response::new(InvokeResponse { data, content_type: "text/plain".to_owned() }))
    }

    async fn list_topic_subscriptions(
        &self,
        _: Request<()>,
    ) -> Result<Response<ListTopicSubscriptionsResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn on_topic_event(
        &self,
        _: Request<TopicEventRequest>,
    ) -> Result<Response<TopicEventResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn list_input_bindings(
        &self,
        _: Request<()>,
    ) -> Result<Response<ListInputBindingsResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn on_binding_event(
        &self,
        _: Request<BindingEventRequest>,
    ) -> Result<Response<BindingEventResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn on_bulk_topic_event(
        &self,
        _: Request<TopicEventBulkRequest>,
    ) -> Result<Response<TopicEventBulkResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn on_job_event(&self, _: Request<JobEventRequest>) -> Result<Response<JobEventResponse>, Status> {
        Ok(Response::new(Default::default()))
    }
}

/// Serves an app's callbacks on a port, until this is dropped.
async fn serve<A: AppCallback>(port: u16, callbacks: AppCallbackServer<A>) -> tokio::task::JoinSet<()> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(async move {
        tonic::transport::Server::builder()
            .add_service(callbacks)
            .serve_with_incoming(incoming)
            .await
            .unwrap();
    });
    serving
}

async fn client(sidecar: &Sidecar) -> dapr::Client<impl DaprInterface> {
    let options = ClientOptions::new().with_address(format!("http://{}", sidecar.text("grpc")));
    dapr::Client::from_options(options).await.unwrap()
}
