//! The sidecar and its app: who waits for whom.

use http::StatusCode;
use serde_json::json;

use crate::app::{App, free_port};
use crate::sidecar::{MEMORY, Sidecar};
use crate::wire;

#[tokio::test]
async fn the_sidecar_is_healthy_inbound_once_its_app_listens() {
    let port = free_port();
    let text = port.to_string();
    let sidecar = Sidecar::with(MEMORY, &["--app-port", &text, "--app-protocol", "http"]);
    sidecar.call("GET", "/v1.0/healthz/outbound", "").await.is_empty();
    sidecar.call("GET", "/v1.0/healthz", "").await.failed(500, "ERR_HEALTH_NOT_READY");
    let _app = App::start_at(port, |_| (StatusCode::OK, String::new())).await;
    while !wire::call(&sidecar.http(), "GET", "/v1.0/healthz", &[], "").await.status.is_success() {
        tokio::task::yield_now().await;
    }
    let metadata = sidecar.call("GET", "/v1.0/metadata", "").await.json();
    let expected = json!({ "port": port, "protocol": "http", "channelAddress": "127.0.0.1" });
    assert_eq!(metadata["appConnectionProperties"], expected);
}
