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
