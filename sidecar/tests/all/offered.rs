//! What the sidecar offers: parts of the API that are allowed, denied, or outside of its subset; and to whom.

use std::fs;

use dapr::dapr::proto::runtime::v1::{
    GetActorStateRequest, GetMetadataRequest, GetSecretRequest, GetStateRequest, GetWorkflowRequest,
    TryLockRequest,
};
use tempfile::TempDir;
use tonic::Code;

use crate::sidecar::{MEMORY, Sidecar, refused};
use crate::wire;
use crate::yaml::configuration;

fn with(api: &str) -> Sidecar {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("config.yaml");
    fs::write(&config, configuration(api)).unwrap();
    Sidecar::with(MEMORY, &["--config", config.to_str().unwrap()])
}

fn state() -> GetStateRequest {
    GetStateRequest { store_name: "store".to_owned(), key: "k".to_owned(), ..Default::default() }
}

#[tokio::test]
async fn what_is_allowed_is_all_there_is() {
    let sidecar = with(
        "  api:\n    allowed:\n    - {name: state, version: v1.0, protocol: http}\n    - {name: metadata, version: \
         v1, protocol: grpc}\n",
    );
    sidecar.call("POST", "/v1.0/state/store", r#"[{"key":"k","value":1}]"#).await.is_empty();
    sidecar.call("GET", "/v1.0/healthz", "").await.is_empty();
    for (method, path) in [
        ("GET", "/v1.0/metadata"),
        ("POST", "/v1.0/shutdown"),
        ("GET", "/v1.0/secrets/s/k"),
        ("POST", "/v1.0-alpha1/state/store/query"),
        ("POST", "/v1.0-alpha1/lock/s"),
        ("GET", "/v1.0/state/../metadata"),
        ("GET", "/v1.0/actors/t/i/state/k"),
        ("PATCH", "/v1.0/metadata"),
    ] {
        sidecar.call(method, path, "{}").await.failed(404, "ERR_DIRECT_INVOKE");
    }
    let mut client = wire::grpc(&sidecar.grpc()).await;
    client.get_metadata(GetMetadataRequest {}).await.unwrap();
    for status in [
        client.get_state(state()).await.unwrap_err(),
        client.get_secret(GetSecretRequest::default()).await.unwrap_err(),
        client.get_actor_state(GetActorStateRequest::default()).await.unwrap_err(),
    ] {
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unimplemented, "requested endpoint is not available")
        );
    }
    assert_eq!(sidecar.reached(Some("get")).await, 0);
}

#[tokio::test]
async fn what_is_denied_is_not_there() {
    let sidecar = with(
        "  api:\n    denied:\n    - {name: state, version: v1.0, protocol: HTTP}\n    - {name: lock, version: \
         v1.0-alpha1, protocol: grpc}\n",
    );
    sidecar.call("GET", "/v1.0/state/store/k", "").await.failed(404, "ERR_DIRECT_INVOKE");
    let answer = sidecar.call("POST", "/v1.0-alpha1/state/store/query", "{}").await;
    answer.failed(500, "ERR_STATE_STORE_NOT_SUPPORTED");
    assert_eq!(sidecar.call("GET", "/v1.0/metadata", "").await.json()["id"], "app");
    let mut client = wire::grpc(&sidecar.grpc()).await;
    client.get_state(state()).await.unwrap();
    let status = client.try_lock_alpha1(TryLockRequest::default()).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unimplemented, "requested endpoint is not available")
    );
}

#[test]
fn a_slip_in_a_list_is_refused() {
    let folder = TempDir::new().unwrap();
    let config = folder.path().join("config.yaml");
    for (rule, said) in [
        ("{name: state, version: v1.0, protocol: tcp}", "\"tcp\" is neither http nor grpc"),
        ("{name: state, version: v7, protocol: http}", "version \"v7\" of state is none"),
        ("{name: state, protocol: http}", "missing field `version`"),
    ] {
        fs::write(&config, configuration(&format!("  api:\n    denied: [{rule}]\n"))).unwrap();
        let found = refused(MEMORY, &["--config", config.to_str().unwrap()]);
        assert!(found.contains(said) && found.contains("config.yaml"), "{found}");
    }
}

#[tokio::test]
async fn what_is_outside_of_the_subset_says_so() {
    let sidecar = Sidecar::memory();
    for (method, path, status, error, name) in [
        ("GET", "/v1.0/actors/t/i/state/k", 500, "ERR_ACTOR_RUNTIME_NOT_FOUND", "actors"),
        ("POST", "/v1.0/actors/t/i/method/m", 500, "ERR_ACTOR_RUNTIME_NOT_FOUND", "actors"),
        ("PUT", "/v1.0/actors/t/i/reminders/r", 500, "ERR_ACTOR_RUNTIME_NOT_FOUND", "actors"),
        ("POST", "/v1.0/workflows/dapr/w/start", 404, "ERR_WORKFLOW_COMPONENT_NOT_FOUND", "workflows"),
        ("GET", "/v1.0-beta1/workflows/dapr/i", 404, "ERR_WORKFLOW_COMPONENT_NOT_FOUND", "workflows"),
        ("POST", "/v1.0-alpha1/jobs/j", 500, "DAPR_SCHEDULER_SCHEDULE_JOB", "jobs"),
        ("GET", "/v1.0/jobs/j", 500, "DAPR_SCHEDULER_GET_JOB", "jobs"),
        ("DELETE", "/v1.0-alpha1/jobs/j", 500, "DAPR_SCHEDULER_DELETE_JOB", "jobs"),
        ("PUT", "/v1.0-alpha1/crypto/c/encrypt", 500, "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED", "cryptography"),
        (
            "POST",
            "/v1.0-alpha1/subtlecrypto/c/sign",
            500,
            "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED",
            "cryptography",
        ),
        ("POST", "/v1.0-alpha2/conversation/c/converse", 400, "ERR_CONVERSATION_NOT_FOUND", "conversation"),
    ] {
        let said = sidecar.call(method, path, "{}").await.failed(status, error);
        assert!(
            said.contains(&format!("{name} ")) && said.contains("outside of this sidecar's subset"),
            "{said}"
        );
    }
    let mut client = wire::grpc(&sidecar.grpc()).await;
    for (status, name) in [
        (client.get_actor_state(GetActorStateRequest::default()).await.unwrap_err(), "actors"),
        (client.get_workflow_beta1(GetWorkflowRequest::default()).await.unwrap_err(), "workflows"),
    ] {
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().ends_with(&format!("outside of this sidecar's subset, {name}")), "{status}");
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call() {
    let origins = "https://shop.example, https://*.trusted.example";
    let token = [("DAPR_API_TOKEN", "secret")];
    let sidecar = Sidecar::with_environment(MEMORY, &["--allowed-origins", origins], &token);
    let at = sidecar.http();
    let path = "/v1.0/state/store";
    let asks = |origin: &'static str| {
        [
            ("origin", origin),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "dapr-api-token, x-a"),
        ]
    };
    for origin in ["https://shop.example", "https://a.trusted.example"] {
        // A browser asks without the token, and shows it later.
        let answer = wire::call(&at, "OPTIONS", path, &asks(origin), "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert_eq!(answer.header("access-control-allow-headers"), Some("dapr-api-token, x-a"));
        assert!(answer.header("access-control-allow-methods").unwrap().contains("PUT"));
        let headers = [("origin", origin), ("dapr-api-token", "secret")];
        let answer = wire::call(&at, "PUT", path, &headers, "[]").await;
        answer.is_empty();
        assert_eq!(
            (answer.header("access-control-allow-origin"), answer.header("vary")),
            (Some(origin), Some("origin"))
        );
        // What is refused may be seen, too.
        let answer = wire::call(&at, "PUT", path, &[("origin", origin)], "[]").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("access-control-allow-origin")),
            (401, Some(origin))
        );
    }
    for origin in ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null"]
    {
        let answer = wire::call(&at, "OPTIONS", path, &asks(origin), "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("access-control-allow-origin")),
            (200, None),
            "{origin}"
        );
        let headers = [("origin", origin), ("dapr-api-token", "secret")];
        let answer = wire::call(&at, "PUT", path, &headers, "[]").await;
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
    // Without origins nothing is said of them.
    let sidecar = Sidecar::memory();
    let answer = wire::call(&sidecar.http(), "OPTIONS", path, &asks("https://shop.example"), "").await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (405, None));
    let answer = wire::call(&sidecar.http(), "PUT", path, &[("origin", "https://shop.example")], "[]").await;
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), (None, None));
    let any = Sidecar::with(MEMORY, &["--allowed-origins=*"]);
    let answer = wire::call(&any.http(), "PUT", path, &[("origin", "https://a.example")], "[]").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}
