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
