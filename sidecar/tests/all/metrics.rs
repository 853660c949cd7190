//! Metrics with Dapr's names.

use std::collections::BTreeSet;
use std::fs;

use dapr::dapr::proto::runtime::v1::{GetSecretRequest, GetStateRequest};
use http::StatusCode;
use tempfile::TempDir;

use crate::app::App;
use crate::sidecar::{MEMORY, Sidecar, refused};
use crate::wire::{self, At};
use crate::yaml::{component, configuration};

/// The metrics' text; every line of it is one that Prometheus reads.
pub(crate) async fn metrics(sidecar: &Sidecar) -> String {
    let answer = wire::call(&At::Tcp(sidecar.text("metrics")), "GET", "/", &[], "").await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let mut families = BTreeSet::new();
    let mut series = BTreeSet::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            assert!(families.insert(name.to_owned()), "{name} is there twice");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
        } else if !line.starts_with("# HELP ") {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().unwrap() >= 0.0, "{line}");
            assert!(series.insert(name.to_owned()), "{name} is there twice");
            let family = name.split('{').next().unwrap();
            let histogram = ["_bucket", "_sum", "_count"]
                .iter()
                .any(|end| family.strip_suffix(end).is_some_and(|family| families.contains(family)));
            assert!(histogram || families.contains(family), "{line} is of no family");
        }
    }
    text
}

#[track_caller]
pub(crate) fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.rsplit_once(' ').is_some_and(|(name, _)| name == series));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn requests_are_counted_over_both_protocols() {
    let sidecar = Sidecar::memory();
    let body = r#"[{"key":"k","value":"0123456789"}]"#;
    for _ in 0..3 {
        sidecar.call("POST", "/v1.0/state/store", body).await.is_empty();
    }
    sidecar.call("GET", "/v1.0/state/store/k", "").await;
    sidecar.call("GET", "/v1.0/state/store/none", "").await.is_empty();
    sidecar.call("GET", "/v1.0/state/other/k", "").await.failed(400, "ERR_STATE_STORE_NOT_FOUND");
    sidecar.call("GET", "/no/such/path", "").await.failed(404, "ERR_DIRECT_INVOKE");
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let request =
        GetStateRequest { store_name: "store".to_owned(), key: "k".to_owned(), ..Default::default() };
    client.get_state(request).await.unwrap();
    client.get_secret(GetSecretRequest::default()).await.unwrap_err();

    let text = metrics(&sidecar).await;
    for (method, status, count) in [
        ("SaveState", 204, 3.0),
        ("GetState", 200, 1.0),
        ("GetState", 204, 1.0),
        ("GetState", 400, 1.0),
        ("Other", 404, 1.0),
    ] {
        let labels = format!("app_id=\"app\",method=\"{method}\",status=\"{status}\"");
        for name in [
            "request_count",
            "response_count",
            "latency_count",
            "request_bytes_count",
            "response_bytes_count",
        ] {
            assert_eq!(
                value(&text, &format!("dapr_http_server_{name}{{{labels}}}")),
                count,
                "{name} {labels}"
            );
        }
        assert_eq!(value(&text, &format!("dapr_http_server_latency_bucket{{{labels},le=\"+Inf\"}}")), count);
        assert!(value(&text, &format!("dapr_http_server_latency_sum{{{labels}}}")) > 0.0);
    }
    let saves = "app_id=\"app\",method=\"SaveState\",status=\"204\"";
    let received = value(&text, &format!("dapr_http_server_request_bytes_sum{{{saves}}}"));
    assert_eq!(received, 3.0 * body.len() as f64);
    let sent = value(
        &text,
        "dapr_http_server_response_bytes_sum{app_id=\"app\",method=\"GetState\",status=\"200\"}",
    );
    assert_eq!(sent, 12.0);
    for (method, status) in [("GetState", "OK"), ("GetSecret", "FailedPrecondition")] {
        let method = format!("/dapr.proto.runtime.v1.Dapr/{method}");
        let labels =
            format!("app_id=\"app\",grpc_server_method=\"{method}\",grpc_server_status=\"{status}\"");
        assert_eq!(value(&text, &format!("dapr_grpc_io_server_completed_rpcs{{{labels}}}")), 1.0);
        assert_eq!(value(&text, &format!("dapr_grpc_io_server_server_latency_count{{{labels}}}")), 1.0);
    }
}

#[tokio::test]
async fn components_are_counted() {
    let folder = TempDir::new().unwrap();
    let [values, secrets] = ["values.json", "secrets.json"].map(|name| folder.path().join(name));
    fs::write(&values, r#"{"a": 1}"#).unwrap();
    fs::write(&secrets, r#"{"a": "1"}"#).unwrap();
    let root = folder.path().join("root");
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let broken = component("broken", "lock.redis", &[]) + "  ignoreErrors: true\n";
    let components = [
        MEMORY.to_owned(),
        component("vault", "secretstores.local.file", &[("secretsFile", &path(&secrets))]),
        component("config", "configuration.local.file", &[("path", &path(&values))]),
        component("files", "bindings.localstorage", &[("rootPath", &path(&root))]),
        component("locks", "lock.in-memory", &[]),
        broken,
    ];
    let environment = [("NAMESPACE", "shop")];
    let sidecar = Sidecar::with_environment(&components.concat(), &[], &environment);
    sidecar
        .call("POST", "/v1.0/state/store", r#"[{"key":"a","value":1},{"key":"b","value":2}]"#)
        .await
        .is_empty();
    sidecar
        .call("POST", "/v1.0/state/store", r#"[{"key":"a","value":1,"etag":"9"}]"#)
        .await
        .failed(409, "ERR_STATE_SAVE");
    let steps = r#"{"operations":[{"operation":"delete","request":{"key":"a"}}]}"#;
    sidecar.call("POST", "/v1.0/state/store/transaction", steps).await.is_empty();
    sidecar.call("GET", "/v1.0/secrets/vault/a", "").await;
    sidecar.call("GET", "/v1.0/secrets/vault/b", "").await.failed(500, "ERR_SECRET_GET");
    sidecar.call("GET", "/v1.0/secrets/vault/bulk", "").await;
    sidecar.call("GET", "/v1.0/configuration/config", "").await;
    sidecar.call("POST", "/v1.0/bindings/files", r#"{"operation":"list"}"#).await;
    sidecar.call("POST", "/v1.0/bindings/files", r#"{"operation":"get"}"#).await;
    let lock = r#"{"resourceId":"r","lockOwner":"o","expiryInSeconds":60}"#;
    sidecar.call("POST", "/v1.0-alpha1/lock/locks", lock).await;

    let text = metrics(&sidecar).await;
    for (kind, component, operation, success, count) in [
        ("state", "store", "set", true, 1.0),
        ("state", "store", "set", false, 1.0),
        ("state", "store", "transaction", true, 1.0),
        ("secret", "vault", "get", true, 1.0),
        ("secret", "vault", "get", false, 1.0),
        ("secret", "vault", "bulk_get", true, 1.0),
        ("configuration", "config", "get", true, 1.0),
        ("output_binding", "files", "list", true, 1.0),
        ("output_binding", "files", "get", false, 1.0),
    ] {
        let labels = format!(
            "app_id=\"app\",component=\"{component}\",namespace=\"shop\",operation=\"{operation}\",success=\"{success}\""
        );
        assert_eq!(value(&text, &format!("dapr_component_{kind}_count{{{labels}}}")), count, "{labels}");
        assert_eq!(
            value(&text, &format!("dapr_component_{kind}_latencies_count{{{labels}}}")),
            count,
            "{labels}"
        );
    }
    let own = "app_id=\"app\",namespace=\"shop\"";
    assert_eq!(value(&text, &format!("dapr_runtime_component_loaded{{{own}}}")), 5.0);
    let of = |kind: &str| format!("{{app_id=\"app\",component=\"{kind}\",namespace=\"shop\"}}");
    let name = "dapr_runtime_component_init_total";
    assert_eq!(value(&text, &format!("{name}{}", of("state.in-memory"))), 1.0);
    let name = "dapr_runtime_component_init_fail_total";
    assert_eq!(value(&text, &format!("{name}{}", of("lock.redis"))), 1.0);
    for (component, provider, operation) in [
        ("vault", "file", "bulk"),
        ("config", "file", "get"),
        ("files", "localstorage", "list"),
        ("locks", "memory", "try_lock"),
    ] {
        let labels = format!("component=\"{component}\",provider=\"{provider}\",operation=\"{operation}\"");
        assert_eq!(value(&text, &format!("pillion_provider_calls_total{{{labels}}}")), 1.0, "{labels}");
    }
    assert!(!text.contains("dapr_error_code_total"), "Dapr counts these only when asked to");
}

/// Whoever asks cannot make series: neither paths, nor keys, nor names that are not there.
#[tokio::test]
async fn labels_are_bounded() {
    let sidecar = Sidecar::memory();
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let mut lines = Vec::new();
    for round in 0..2 {
        for number in 0..200 {
            let number = format!("{round}-{number}");
            for path in [
                format!("state/store/{number}"),
                format!("state/{number}/k"),
                format!("{number}/k"),
                format!("bindings/{number}"),
            ] {
                sidecar.call("GET", &format!("/v1.0/{path}"), "").await;
            }
            let request = GetStateRequest { store_name: number.clone(), key: number, ..Default::default() };
            client.get_state(request).await.unwrap_err();
        }
        lines.push(metrics(&sidecar).await.lines().count());
    }
    assert_eq!(lines[0], lines[1]);
}

#[tokio::test]
async fn a_configuration_says_what_is_counted() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("config.yaml");
    let arguments = ["--config", config.to_str().unwrap()];
    let spec = "  metrics:\n    recordErrorCodes: true\n    latencyDistributionBuckets: [5, 50]\n";
    fs::write(&config, configuration(spec)).unwrap();
    let sidecar = Sidecar::with(MEMORY, &arguments);
    sidecar.call("GET", "/v1.0/state/other/k", "").await.failed(400, "ERR_STATE_STORE_NOT_FOUND");
    let mut client = wire::grpc(&sidecar.grpc()).await;
    client.get_secret(GetSecretRequest::default()).await.unwrap_err();
    let text = metrics(&sidecar).await;
    for (category, code) in
        [("state", "ERR_STATE_STORE_NOT_FOUND"), ("secret", "ERR_SECRET_STORES_NOT_CONFIGURED")]
    {
        let labels = format!("app_id=\"app\",category=\"{category}\",error_code=\"{code}\"");
        assert_eq!(value(&text, &format!("dapr_error_code_total{{{labels}}}")), 1.0);
    }
    let buckets = text.lines().filter(|line| line.starts_with("dapr_http_server_latency_bucket"));
    let bounds: Vec<_> =
        buckets.map(|line| line.split("le=\"").nth(1).unwrap().split('"').next().unwrap()).collect();
    assert_eq!(bounds, ["5", "50", "+Inf"]);

    fs::write(&config, configuration("  metric:\n    enabled: false\n")).unwrap();
    assert!(Sidecar::with(MEMORY, &arguments).ready()["metrics"].is_null());
    fs::write(&config, configuration("  metrics:\n    latencyDistributionBuckets: [5, 5]\n")).unwrap();
    let said = refused(MEMORY, &arguments);
    assert!(
        said.contains("latencyDistributionBuckets are 1 to 39 numbers of milliseconds, ascending"),
        "{said}"
    );
}

#[tokio::test]
async fn messages_are_counted() {
    let app = App::start(|asked| match asked.path.as_str() {
        "/dapr/subscribe" => {
            (StatusCode::OK, r#"[{"pubsubname":"bus","topic":"orders","route":"orders"}]"#.to_owned())
        }
        _ => (StatusCode::OK, String::new()),
    })
    .await;
    let components = component("bus", "pubsub.in-memory", &[]);
    let sidecar = Sidecar::with(&components, &["--app-port", &app.port.to_string()]);
    app.until_asked("/dapr/subscribe", 1).await;
    while app.asked("/orders").is_empty() {
        sidecar.call("POST", "/v1.0/publish/bus/orders", "1").await.is_empty();
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let entries = r#"[{"entryId":"a","event":"1","contentType":"text/plain"}]"#;
    sidecar.call("POST", "/v1.0/publish/bulk/bus/orders", entries).await.is_empty();
    let own = "app_id=\"app\",component=\"bus\",namespace=\"\"";
    loop {
        let text = metrics(&sidecar).await;
        let delivered = format!(
            "dapr_component_pubsub_ingress_count{{{own},process_status=\"success\",topic=\"orders\"}}"
        );
        if !text.contains(&delivered) {
            continue;
        }
        let published = format!("{{{own},success=\"true\",topic=\"orders\"}}");
        assert!(value(&text, &format!("dapr_component_pubsub_egress_count{published}")) >= 1.0);
        assert!(value(&text, &format!("dapr_component_pubsub_egress_latencies_count{published}")) >= 1.0);
        assert_eq!(value(&text, &format!("dapr_component_bulk_pubsub_egress_count{published}")), 1.0);
        let labels = "app_id=\"app\",method=\"PublishEvent\",status=\"204\"";
        assert!(value(&text, &format!("dapr_http_server_request_count{{{labels}}}")) >= 1.0);
        break;
    }
}
