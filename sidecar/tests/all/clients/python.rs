//! PyPI's `dapr`.

use super::program::Language::Python;
use super::stage::Stage;

#[tokio::test]
async fn state() {
    if !Python.is_there() {
        return;
    }
    let stage = Stage::alone();
    assert_eq!(Python.run("state", &stage, &[]).await, "save read delete bulk transaction etag ttl metadata");
}

#[tokio::test]
async fn secrets_configuration_bindings_and_locks() {
    if !Python.is_there() {
        return;
    }
    let Some(stage) = Stage::with_blocks().await else { return };
    assert_eq!(Python.run("blocks", &stage, &[]).await, "secrets configuration bindings locks");
}

#[tokio::test]
async fn invocation() {
    if !Python.is_there() {
        return;
    }
    for (app_protocol, app) in [("http", "fastapi_app"), ("grpc", "grpc_app")] {
        let stage = Stage::for_app(app_protocol);
        let _app = Python.start(app, &stage, &[]);
        stage.until_open().await;
        for protocol in ["http", "grpc"] {
            let done = Python.run("invocation", &stage, &[protocol, app_protocol]).await;
            assert_eq!(done, "post query bytes failure nobody", "{protocol} to {app}");
        }
    }
}
