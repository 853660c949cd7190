//! What is logged of requests.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::sidecar::{MEMORY, bare, errors, first_line};
use crate::wire::{self, At};
use crate::yaml::configuration;

/// What a sidecar of this Configuration says while it is asked for a key, for health and for nothing that is there.
async fn said(spec: &str, arguments: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    let resources = folder.path().join("resources");
    fs::create_dir(&resources).unwrap();
    fs::write(resources.join("store.yaml"), MEMORY).unwrap();
    let config = folder.path().join("config.yaml");
    fs::write(&config, configuration(spec)).unwrap();
    let free = ["--dapr-http-port=0", "--dapr-grpc-port=0", "--enable-metrics=false", "--resources-path"];
    let mut command = bare(free);
    command.arg(&resources).arg("--config").arg(&config).args(arguments);
    let (child, ready) = first_line(command.stderr(Stdio::piped()));
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let at = At::Tcp(ready["http"].as_str().unwrap().to_owned());
    for path in ["/v1.0/state/store/hush", "/v1.0/healthz", "/v1.0/hush/hush"] {
        wire::call(&at, "GET", path, &[], "").await;
    }
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    errors(child)
}

#[tokio::test]
async fn a_configuration_says_how_requests_are_logged() {
    let logging = |more: &str| format!("  logging:\n    apiLogging:\n      enabled: true\n{more}");
    let all = said(&logging(""), &[]).await;
    for path in ["path=\"/v1.0/state/store/hush\"", "path=\"/v1.0/healthz\"", "path=\"/v1.0/hush/hush\""] {
        assert!(all.contains(path), "{all}");
    }
    let less = said(&logging("      obfuscateURLs: true\n      omitHealthChecks: true\n"), &[]).await;
    assert!(less.contains("path=\"GetState\"") && less.contains("path=\"Other\""), "{less}");
    assert!(!less.contains("hush") && !less.contains("ealthz"), "{less}");
    let none = said("  tracing: {}\n", &[]).await;
    assert!(!none.contains("HTTP API Called"), "{none}");
    let by_flag =
        said("  logging:\n    apiLogging: {omitHealthChecks: true}\n", &["--enable-api-logging"]).await;
    assert!(by_flag.contains("/v1.0/state/store/hush") && !by_flag.contains("healthz"), "{by_flag}");
}
