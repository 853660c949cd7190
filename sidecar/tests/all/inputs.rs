//! Input bindings.

use std::fs;
use std::sync::Arc;

use dapr::dapr::proto::common::v1::{InvokeRequest, InvokeResponse, StateItem};
use dapr::dapr::proto::runtime::v1::app_callback_server::{AppCallback, AppCallbackServer};
use dapr::dapr::proto::runtime::v1::{
    BindingEventRequest, BindingEventResponse, JobEventRequest, JobEventResponse, ListInputBindingsResponse,
    ListTopicSubscriptionsResponse, TopicEventBulkRequest, TopicEventBulkResponse, TopicEventRequest,
    TopicEventResponse,
};
use http::{Method, StatusCode};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::gate::Gate;
use crate::sidecar::{MEMORY, Sidecar, redb, refused};
use crate::wire::{self, At};
use crate::yaml::component;

fn cron(name: &str, schedule: &str, more: &[(&str, &str)]) -> String {
    component(name, "bindings.cron", &[&[("schedule", schedule)], more].concat())
}

#[tokio::test]
async fn an_app_over_http_is_asked_and_called() {
    let app = App::start(|asked| match (&asked.method, asked.path.as_str()) {
        (&Method::OPTIONS, "/tick" | "/own/route") => (StatusCode::OK, String::new()),
        (&Method::OPTIONS, "/other%20tick") => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        (&Method::OPTIONS, _) => (StatusCode::NOT_FOUND, String::new()),
        (_, "/own/route") => (StatusCode::IM_A_TEAPOT, String::new()),
        _ => (StatusCode::OK, String::new()),
    })
    .await;
    let components = [
        cron("tick", "@every 20ms", &[]),
        cron("other tick", "* * * * * *", &[]),
        cron("routed", "@every 20ms", &[("route", "/own/route")]),
        cron("unwanted", "@every 20ms", &[]),
        cron("certain", "@every 20ms", &[("direction", "input")]),
        cron("never", "@every 20ms", &[("direction", "output")]),
    ];
    let port = app.port.to_string();
    let token = [("APP_API_TOKEN", "known")];
    let sidecar = Sidecar::with_environment(&components.concat(), &["--app-port", &port], &token);
    for (path, options) in [("/tick", 1), ("/other%20tick", 1), ("/own/route", 1), ("/certain", 0)] {
        let asked = app.until_asked(path, 3).await;
        assert_eq!(asked.iter().filter(|asked| asked.method == Method::OPTIONS).count(), options, "{path}");
        let event = asked.iter().find(|asked| asked.method == Method::POST).unwrap();
        assert_eq!((event.header("content-type"), event.body.len()), (Some("application/json"), 0));
        assert_eq!((event.header("timezone"), event.header("dapr-api-token")), (Some("UTC"), Some("known")));
        assert!(event.header("readtimeutc").unwrap().ends_with(" +0000 UTC"), "{event:?}");
    }
    assert!(app.asked("/unwanted").iter().all(|asked| asked.method == Method::OPTIONS));
    assert_eq!(app.asked("/never").len(), 0);
    let metadata = sidecar.call("GET", "/v1.0/metadata", "").await.json();
    assert_eq!(metadata["components"][0]["capabilities"], json!(["INPUT_BINDING"]));
    // An input is no output.
    let answer = sidecar.call("POST", "/v1.0/bindings/tick", r#"{"operation":"create"}"#).await;
    assert!(answer.failed(500, "ERR_INVOKE_OUTPUT_BINDING").ends_with("couldn't find output binding tick"));
    let metrics = wire::call(&At::Tcp(sidecar.text("metrics")), "GET", "/", &[], "").await;
    let text = String::from_utf8(metrics.body.to_vec()).unwrap();
    for (name, success) in [("tick", true), ("routed", false)] {
        let labels = format!("app_id=\"app\",component=\"{name}\",namespace=\"\",success=\"{success}\"");
        assert!(text.contains(&format!("dapr_component_input_binding_count{{{labels}}}")), "{text}");
    }
}

#[tokio::test]
async fn an_answer_saves_state_and_calls_outputs() {
    let folder = TempDir::new().unwrap();
    let app = App::start(|asked| {
        let answer = json!({
            "storeName": "store",
            "state": [{"key": "seen", "value": {"n": 1}}],
            "to": ["files", "missing"],
            "data": {"hello": "file"},
            "concurrency": "parallel",
        });
        (StatusCode::OK, if asked.method == Method::POST { answer.to_string() } else { String::new() })
    })
    .await;
    let root = folder.path().to_str().unwrap();
    let files = component("files", "bindings.localstorage", &[("rootPath", root)]);
    let components = format!("{MEMORY}{files}{}", cron("tick", "@every 50ms", &[]));
    let sidecar = Sidecar::with(&components, &["--app-port", &app.port.to_string()]);
    app.until_asked("/tick", 2).await;
    let saved = loop {
        let answer = sidecar.call("GET", "/v1.0/state/store/seen", "").await;
        if answer.status == 200 {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!(saved.json(), json!({"n": 1}));
    let written = loop {
        if let Some(file) = fs::read_dir(folder.path())
            .unwrap()
            .map(Result::unwrap)
            .find(|file| !file.file_name().to_str().unwrap().starts_with('.'))
        {
            break fs::read_to_string(file.path()).unwrap();
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    assert_eq!(written, r#"{"hello":"file"}"#);
}

/// What the app's answer asks for is done, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_event_that_is_with_the_app_is_finished_before_the_sidecar_stops() {
    let folder = TempDir::new().unwrap();
    let (gate, arrived) = (Gate::default(), Gate::default());
    let (closed, here) = (gate.clone(), arrived.clone());
    let app = App::start(move |asked| {
        if asked.path != "/tick" {
            return (StatusCode::NOT_FOUND, String::new());
        }
        here.open();
        closed.pass();
        let answer = json!({ "storeName": "store", "state": [{"key": "seen", "value": {"n": 1}}] });
        (StatusCode::OK, answer.to_string())
    })
    .await;
    let store = redb(&folder.path().join("state.redb"));
    let tick = cron("tick", "@every 100ms", &[("direction", "input")]);
    let arguments = ["--app-port", &app.port.to_string(), "--dapr-graceful-shutdown-seconds", "60"];
    let mut sidecar = Sidecar::with(&format!("{store}{tick}"), &arguments);
    arrived.pass();
    sidecar.begin_to_stop().await;
    gate.open();
    assert!(sidecar.wait().await.success());
    let sidecar = Sidecar::with(&store, &[]);
    assert_eq!(sidecar.call("GET", "/v1.0/state/store/seen", "").await.json(), json!({"n": 1}));
}

/// What is reloaded is asked for anew; what is gone is not read any more.
#[tokio::test]
async fn bindings_follow_their_components() {
    let app = App::start(|_| (StatusCode::OK, String::new())).await;
    let sidecar = Sidecar::with(MEMORY, &["--app-port", &app.port.to_string()]);
    let file = sidecar.folder().join("resources/tick.yaml");
    fs::write(&file, cron("tick", "@every 20ms", &[])).unwrap();
    sidecar.signal("HUP");
    app.until_asked("/tick", 4).await;
    fs::write(&file, cron("tock", "@every 20ms", &[])).unwrap();
    sidecar.signal("HUP");
    app.until_asked("/tock", 4).await;
    // The old one has ended before the new one began, but for an event that was under way.
    let ticks = app.asked("/tick").len();
    let tocks = app.asked("/tock").len();
    app.until_asked("/tock", tocks + 10).await;
    assert!(app.asked("/tick").len() <= ticks + 1);
}

#[test]
fn settings_are_checked() {
    for (components, said) in [
        (component("tick", "bindings.cron", &[]), "setting schedule is missing"),
        (cron("tick", "now and then", &[]), "setting schedule: \"now and then\" is no schedule"),
        (cron("tick", "@every 1ms", &[]), "tells no time of at least 10ms"),
        (cron("tick", "@hourly", &[("direction", "inwards")]), "\"inwards\" is neither input nor output"),
    ] {
        let found = refused(&components, &[]);
        assert!(found.contains(said), "{found}");
    }
}

/// An app that speaks gRPC.
struct Callbacks {
    events: Arc<watch::Sender<Vec<BindingEventRequest>>>,
}

#[tonic::async_trait]
impl AppCallback for Callbacks {
    async fn on_invoke(&self, _: Request<InvokeRequest>) -> Result<Response<InvokeResponse>, Status> {
        Err(Status::unimplemented("on_invoke"))
    }

    async fn list_topic_subscriptions(
        &self,
        _: Request<()>,
    ) -> Result<Response<ListTopicSubscriptionsResponse>, Status> {
        Err(Status::unimplemented("list_topic_subscriptions"))
    }

    async fn on_topic_event(
        &self,
        _: Request<TopicEventRequest>,
    ) -> Result<Response<TopicEventResponse>, Status> {
        Err(Status::unimplemented("on_topic_event"))
    }

    async fn on_bulk_topic_event(
        &self,
        _: Request<TopicEventBulkRequest>,
    ) -> Result<Response<TopicEventBulkResponse>, Status> {
        Err(Status::unimplemented("on_bulk_topic_event"))
    }

    async fn list_input_bindings(
        &self,
        _: Request<()>,
    ) -> Result<Response<ListInputBindingsResponse>, Status> {
        Ok(Response::new(ListInputBindingsResponse { bindings: vec!["tick".to_owned(), "other".to_owned()] }))
    }

    async fn on_job_event(&self, _: Request<JobEventRequest>) -> Result<Response<JobEventResponse>, Status> {
        Err(Status::unimplemented("on_job_event"))
    }

    async fn on_binding_event(
        &self,
        request: Request<BindingEventRequest>,
    ) -> Result<Response<BindingEventResponse>, Status> {
        self.events.send_modify(|events| events.push(request.into_inner()));
        let item = StateItem { key: "seen".to_owned(), value: b"raw".to_vec(), ..StateItem::default() };
        Ok(Response::new(BindingEventResponse {
            store_name: "store".to_owned(),
            states: vec![item],
            ..BindingEventResponse::default()
        }))
    }
}

#[tokio::test]
async fn an_app_over_grpc_is_asked_and_called() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let events = Arc::new(watch::Sender::new(Vec::new()));
    let service = AppCallbackServer::new(Callbacks { events: Arc::clone(&events) });
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let components =
        [MEMORY.to_owned(), cron("tick", "@every 20ms", &[]), cron("unwanted", "@every 20ms", &[])];
    let sidecar = Sidecar::with(&components.concat(), &["--app-port", &port, "--app-protocol", "grpc"]);
    let mut changes = events.subscribe();
    let seen = changes.wait_for(|events| events.len() >= 3).await.unwrap().clone();
    for event in &seen {
        assert_eq!((event.name.as_str(), event.data.len()), ("tick", 0));
        assert_eq!(event.metadata.keys().collect::<std::collections::BTreeSet<_>>().len(), 2);
    }
    while sidecar.call("GET", "/v1.0/state/store/seen", "").await.status != 200 {
        tokio::task::yield_now().await;
    }
    let answer = sidecar.call("GET", "/v1.0/state/store/seen", "").await;
    assert_eq!(&answer.body[..], b"raw");
}
