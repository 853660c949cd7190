//! npm's `@dapr/dapr`.

use super::program::Language::JavaScript;
use super::stage::Stage;

#[tokio::test]
async fn state() {
    if !JavaScript.is_there() {
        return;
    }
    for protocol in ["http", "grpc"] {
        let stage = Stage::alone();
        let done = JavaScript.run("state", &stage, &[protocol]).await;
        assert_eq!(done, "save read bulk delete transaction etag ttl metadata", "{protocol}");
    }
}

#[tokio::test]
async fn secrets_configuration_bindings_and_locks() {
    if !JavaScript.is_there() {
        return;
    }
    for protocol in ["http", "grpc"] {
        let Some(stage) = Stage::with_blocks().await else { return };
        let done = JavaScript.run("blocks", &stage, &[protocol]).await;
        assert_eq!(done, "secrets configuration bindings locks", "{protocol}");
    }
}

#[tokio::test]
async fn invocation() {
    if !JavaScript.is_there() {
        return;
    }
    for app_protocol in ["http", "grpc"] {
        let stage = Stage::for_app(app_protocol);
        let _app = JavaScript.start("app", &stage, &[app_protocol]);
        stage.until_open().await;
        for protocol in ["http", "grpc"] {
            let done = JavaScript.run("invocation", &stage, &[protocol, app_protocol]).await;
            assert_eq!(done, "get post headers query failures", "{protocol} to {app_protocol}");
        }
    }
}
