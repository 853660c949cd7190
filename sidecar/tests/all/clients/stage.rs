//! What the official clients' programs run beside: a sidecar with every building block, and room for an app.

use std::time::Instant;

use http::StatusCode;
use pillion_capabilities::testing::RedisServer;
use serde_json::json;
use tempfile::TempDir;

use super::program::PATIENCE;
use crate::app::{App, free_port};
use crate::sidecar::{MEMORY, Sidecar};
use crate::wire;
use crate::yaml::component;

/// A sidecar of the app `app`, which listens on a port that is known before it is there.
pub(crate) struct Stage {
    pub(crate) sidecar: Sidecar,
    pub(super) app_port: u16,
    /// What the configuration and the locks are in.
    redis: Option<RedisServer>,
    /// The app of a whole stage, and what the binding `web` asks.
    web: Option<App>,
    _files: TempDir,
}

// === impl Stage ===

impl Stage {
    /// A sidecar whose app speaks this, with the stores that need no server.
    pub(super) fn for_app(protocol: &str) -> Self {
        Self::for_app_with(protocol, "")
    }

    /// As [`Self::for_app`], with the input binding `tick`, which is due again and again.
    pub(super) fn ticking_for_app(protocol: &str) -> Self {
        Self::for_app_with(protocol, &component("tick", "bindings.cron", &[("schedule", "@every 50ms")]))
    }

    fn for_app_with(protocol: &str, more: &str) -> Self {
        let app_port = free_port();
        let port = app_port.to_string();
        let components = MEMORY.to_owned() + &component("pubsub", "pubsub.in-memory", &[]) + more;
        let sidecar = Sidecar::with(&components, &["--app-port", &port, "--app-protocol", protocol]);
        Self { sidecar, app_port, redis: None, web: None, _files: TempDir::new().unwrap() }
    }

    /// A sidecar without an app, with a state store alone.
    pub(super) fn alone() -> Self {
        Self {
            sidecar: Sidecar::memory(),
            app_port: 0,
            redis: None,
            web: None,
            _files: TempDir::new().unwrap(),
        }
    }

    /// A sidecar with secrets, a configuration, bindings and locks; none without a Redis.
    pub(super) async fn with_blocks() -> Option<Self> {
        Self::whole(&[], "").await
    }

    /// A sidecar with every block and an app that says yes to everything, which asks for a token, if there is one; none
    /// without a Redis.
    pub(crate) async fn whole(arguments: &[&str], token: &str) -> Option<Self> {
        let redis = RedisServer::start_or_skip().unwrap()?;
        let address = redis.address().to_string();
        let web = App::start(|asked| {
            let body = String::from_utf8_lossy(&asked.body);
            let said = json!({ "method": asked.method.as_str(), "path": asked.path, "body": body });
            (StatusCode::OK, said.to_string())
        })
        .await;
        let files = TempDir::new().unwrap();
        let secrets = files.path().join("secrets.json");
        std::fs::write(&secrets, r#"{"top": "secret", "nested": {"inner": "deep"}}"#).unwrap();
        let folder = files.path().join("files");
        std::fs::create_dir(&folder).unwrap();
        let components = [
            MEMORY.to_owned(),
            component("pubsub", "pubsub.in-memory", &[]),
            component("secrets", "secretstores.local.file", &[("secretsFile", secrets.to_str().unwrap())]),
            component("env", "secretstores.local.env", &[]),
            component("configuration", "configuration.redis", &[("redisHost", &address)]),
            component("locks", "lock.redis", &[("redisHost", &address)]),
            component("files", "bindings.localstorage", &[("rootPath", folder.to_str().unwrap())]),
            component("web", "bindings.http", &[("url", &format!("http://127.0.0.1:{}/base", web.port))]),
        ];
        let environment = [("TEST_SECRET_1", "secret_val_1"), ("DAPR_API_TOKEN", token)];
        let port = web.port.to_string();
        let arguments = [&["--app-port", port.as_str()], arguments].concat();
        let sidecar = Sidecar::with_environment(&components.concat(), &arguments, &environment);
        Some(Self { sidecar, app_port: web.port, redis: Some(redis), web: Some(web), _files: files })
    }

    /// The app of a whole stage.
    pub(crate) fn app(&self) -> &App {
        self.web.as_ref().unwrap()
    }

    /// The variables by which Dapr's clients find the sidecar, and apps their port.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let port = |name: &str| self.sidecar.text(name).rsplit(':').next().unwrap().to_owned();
        let redis = self.redis.as_ref().map_or(0, |redis| redis.address().port());
        vec![
            ("DAPR_HTTP_PORT", port("http")),
            ("DAPR_GRPC_PORT", port("grpc")),
            ("APP_PORT", self.app_port.to_string()),
            ("APP_ID", "app".to_owned()),
            ("REDIS_PORT", redis.to_string()),
        ]
    }

    /// Sets a key in Redis.
    pub(super) async fn set_item(&self, key: &str, value: &str) {
        let client = redis::Client::open(self.redis.as_ref().unwrap().url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("SET").arg(key).arg(value).exec_async(&mut connection).await.unwrap();
    }

    /// Waits until the app has taken an event of the binding `tick`, and looks whether it failed to take one.
    pub(super) async fn until_tick_taken(&self) {
        let start = Instant::now();
        let of = |success: &str| format!("component=\"tick\",namespace=\"\",success=\"{success}\"");
        loop {
            let at = wire::At::Tcp(self.sidecar.text("metrics"));
            let metrics = wire::call(&at, "GET", "/metrics", &[], "").await;
            let text = std::str::from_utf8(&metrics.body).unwrap();
            assert!(!text.contains(&of("false")), "{text}");
            if text.contains(&of("true")) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no event was taken");
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the sidecar has seen its app.
    pub(super) async fn until_open(&self) {
        let start = Instant::now();
        while !wire::call(&self.sidecar.http(), "GET", "/v1.0/healthz", &[], "").await.status.is_success() {
            assert!(start.elapsed() < PATIENCE, "the app does not listen");
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the sidecar has seen its app and subscribed for it, so many times.
    pub(super) async fn until_subscribed(&self, subscriptions: usize) {
        self.until_open().await;
        let start = Instant::now();
        loop {
            let metadata = self.sidecar.call("GET", "/v1.0/metadata", "").await.json();
            let found = &metadata["subscriptions"];
            if found.as_array().unwrap().len() == subscriptions {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "not {subscriptions}: {found}");
            tokio::task::yield_now().await;
        }
    }
}
