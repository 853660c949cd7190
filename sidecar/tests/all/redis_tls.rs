//! Components over a Redis server that speaks TLS.

use std::path::Path;
use std::process::Command;

use http::StatusCode;
use pillion_capabilities::testing::RedisServer;
use serde_json::json;
use tempfile::TempDir;

use crate::app::App;
use crate::sidecar::{Sidecar, refused, refused_with_environment};
use crate::yaml::component;

/// A certificate that vouches for itself, for this name, beside its key.
fn certificate(folder: &Path, name: &str) -> [std::path::PathBuf; 2] {
    let [certificate, key] = ["pem", "key"].map(|end| folder.join(format!("server.{end}")));
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    command.args(["-days", "2", "-subj", "/CN=redis", "-addext", &format!("subjectAltName={name}")]);
    command.args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"]).arg(&key);
    let output = command.arg("-out").arg(&certificate).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    [certificate, key]
}

/// The component of each kind that has a Redis store, over TLS.
fn components(server: &RedisServer) -> String {
    let host = server.tls_address().unwrap().to_string();
    let settings = [("redisHost", host.as_str()), ("enableTLS", "true")];
    let of = |kind: &str| component(kind, &format!("{kind}.redis"), &settings);
    ["state", "pubsub", "configuration", "lock"].map(of).concat()
}

#[tokio::test]
async fn components_over_tls() {
    let folder = TempDir::new().unwrap();
    let [certificate, key] = certificate(folder.path(), "IP:127.0.0.1");
    let Some(server) = RedisServer::start_with_tls_or_skip(&certificate, &key).unwrap() else { return };
    let app = App::start(|asked| match asked.path.as_str() {
        "/dapr/subscribe" => {
            let subscription = json!([{ "pubsubname": "pubsub", "topic": "t", "route": "/t" }]);
            (StatusCode::OK, subscription.to_string())
        }
        _ => (StatusCode::OK, String::new()),
    })
    .await;
    let port = app.port.to_string();
    let trusted = [("SSL_CERT_FILE", certificate.to_str().unwrap())];
    let sidecar = Sidecar::with_environment(&components(&server), &["--app-port", &port], &trusted);
    sidecar.call("POST", "/v1.0/state/state", r#"[{"key":"k","value":1}]"#).await.is_empty();
    assert_eq!(&sidecar.call("GET", "/v1.0/state/state/k", "").await.body[..], b"1");
    let lock = r#"{"resourceId":"r","lockOwner":"ann","expiryInSeconds":600}"#;
    let locked = sidecar.call("POST", "/v1.0-alpha1/lock/lock", lock).await;
    assert_eq!(locked.json(), json!({"success": true}));
    // What is stored is seen without TLS, too.
    let mut redis = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let owner: String = redis::cmd("GET").arg("lock||app||r").query(&mut redis).unwrap();
    assert_eq!(owner, "ann");
    redis::cmd("SET").arg("limit").arg("ten||1").exec(&mut redis).unwrap();
    let item = sidecar.call("GET", "/v1.0/configuration/configuration?key=limit", "").await;
    assert_eq!(item.json(), json!({"limit": {"value": "ten", "version": "1"}}));
    while sidecar.call("GET", "/v1.0/metadata", "").await.json()["subscriptions"] == json!([]) {}
    sidecar.call("POST", "/v1.0/publish/pubsub/t", "1").await.is_empty();
    app.until_asked("/t", 1).await;
}

#[tokio::test]
async fn a_redis_whose_certificate_is_not_trusted_is_refused() {
    let folder = TempDir::new().unwrap();
    let [pem, key] = certificate(folder.path(), "IP:127.0.0.2");
    let Some(server) = RedisServer::start_with_tls_or_skip(&pem, &key).unwrap() else { return };
    let components = components(&server);
    let stranger = refused(&components, &[]);
    let trusted = [("SSL_CERT_FILE", pem.to_str().unwrap())];
    let other = refused_with_environment(&components, &[], &trusted);
    for (said, why) in [(stranger, "UnknownIssuer"), (other, "not valid for name")] {
        assert!(said.contains("component state cannot be opened: redis at 127.0.0.1:"), "{said}");
        assert!(said.contains("invalid peer certificate") && said.contains(why), "{said}");
        assert!(said.contains("in the file that SSL_CERT_FILE names"), "{said}");
    }
    // One that speaks no TLS there is not taken for one that does.
    let plain = components.replace(&server.tls_address().unwrap().to_string(), &server.address().to_string());
    let said = refused(&plain, &[]);
    assert!(
        said.contains(&format!("component state cannot be opened: redis at {}", server.address())),
        "{said}"
    );
}
