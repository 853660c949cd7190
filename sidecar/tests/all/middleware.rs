//! Middleware for HTTP.

use http::StatusCode;
use tempfile::TempDir;

use crate::app::App;
use crate::sidecar::{MEMORY, Sidecar, refused};
use crate::wire;

fn component(name: &str, kind: &str, settings: &str) -> String {
    format!(
        "---\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: {name}}}\n\
         spec: {{type: middleware.http.{kind}, version: v1, metadata: [{settings}]}}\n"
    )
}

fn configuration(folder: &TempDir, field: &str, handlers: &[(&str, &str)]) -> String {
    let path = folder.path().join("config.yaml");
    let handlers: String = handlers
        .iter()
        .map(|(name, kind)| format!("{{name: {name}, type: middleware.http.{kind}}},"))
        .collect();
    let text = format!("kind: Configuration\nspec: {{{field}: {{handlers: [{handlers}]}}}}\n");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn requests_go_through_the_pipeline_before_the_api() {
    let app = App::start(|asked| (StatusCode::OK, asked.path.clone())).await;
    let folder = TempDir::new().unwrap();
    let routes = r#"{name: routes, value: '{"/mall/{id}": "/v1.0/invoke/app/method/goods"}'}"#;
    let resources = MEMORY.to_owned()
        + &component("names", "routeralias", routes)
        + &component("checked", "routerchecker", "{name: rule, value: '^[a-z0-9/.]+$'}");
    let file =
        configuration(&folder, "httpPipeline", &[("checked", "routerchecker"), ("names", "routeralias")]);
    let port = app.port.to_string();
    let token = [("DAPR_API_TOKEN", "secret")];
    let sidecar = Sidecar::with_environment(&resources, &["--config", &file, "--app-port", &port], &token);
    let right = [("dapr-api-token", "secret")];
    let get = |path: &'static str| {
        let at = sidecar.http();
        async move { wire::call(&at, "GET", path, &right, "").await }
    };
    assert_eq!(get("/mall/7").await.body, "/goods?id=7");
    assert_eq!(get("/v1.0/invoke/app/method/x").await.body, "/x");
    get("/v1.0/state/store/k").await.is_empty();
    let answer = get("/v1.0/state/store/K").await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (400, &b"Bad Request"[..]));
    assert_eq!(sidecar.reached(None).await, 1);
    // Who has no token does not get as far; and health is asked of nobody else.
    assert_eq!(wire::call(&sidecar.http(), "GET", "/K", &[], "").await.status.as_u16(), 401);
    wire::call(&sidecar.http(), "GET", "/v1.0/healthz?appid=app", &[], "").await.is_empty();
}

#[tokio::test]
async fn so_many_requests_are_taken_and_health_is_not_counted() {
    let folder = TempDir::new().unwrap();
    let resources =
        MEMORY.to_owned() + &component("few", "ratelimit", "{name: maxRequestsPerSecond, value: '0.001'}");
    let file = configuration(&folder, "httpPipeline", &[("few", "ratelimit")]);
    let sidecar = Sidecar::with(&resources, &["--config", &file]);
    let save = r#"[{"key":"k","value":1}]"#;
    sidecar.call("POST", "/v1.0/state/store", save).await.is_empty();
    for _ in 0..3 {
        let answer = sidecar.call("POST", "/v1.0/state/store", save).await;
        let said = &b"You have reached maximum request limit."[..];
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (429, said));
        sidecar.call("GET", "/v1.0/healthz", "").await.is_empty();
    }
    assert_eq!(sidecar.reached(None).await, 1);
}

#[tokio::test]
async fn calls_go_through_the_apps_pipeline_before_the_app() {
    let app = App::start(|asked| (StatusCode::OK, asked.path.clone())).await;
    let folder = TempDir::new().unwrap();
    let resources = MEMORY.to_owned()
        + &component("names", "routeralias", "{name: /old, value: /new}")
        + &component("checked", "routerchecker", "{name: rule, value: '^/(old|new)$'}");
    let file =
        configuration(&folder, "appHttpPipeline", &[("names", "routeralias"), ("checked", "routerchecker")]);
    let port = app.port.to_string();
    let callee = Sidecar::with(&resources, &["--config", &file, "--app-port", &port, "--app-id", "callee"]);
    let caller = crate::invoke_http::caller_of(&callee, &[]);
    for sidecar in [&caller, &callee] {
        let answer = sidecar.call("GET", "/v1.0/invoke/callee/method/old", "").await;
        assert_eq!(answer.body, "/new");
        let answer = sidecar.call("GET", "/v1.0/invoke/callee/method/other", "").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (400, &b"Bad Request"[..]));
    }
    assert_eq!(app.calls().len(), 2);
    // The sidecar's own API is not the app's.
    caller.call("GET", "/v1.0/state/store/k", "").await.is_empty();
}

#[test]
fn middleware_that_is_not_there_is_told_with_a_remedy() {
    let folder = TempDir::new().unwrap();
    for (kind, settings, expected) in [
        (
            "bearer",
            "",
            "type middleware.http.bearer is not there; this sidecar has middleware.http.routeralias",
        ),
        ("opa", "", "spec.accessControl says who may call what"),
        ("other", "", "take it out"),
        (
            "ratelimit",
            "{name: maxRequestsPerSecond, value: many}",
            "maxRequestsPerSecond: \"many\" is no number above 0",
        ),
        ("ratelimit", "{name: maxRequestsPerSecond, value: '-1'}", "is no number above 0"),
        ("routerchecker", "", "setting rule is missing"),
        ("routerchecker", "{name: rule, value: '('}", "setting rule: \"(\": "),
        ("routeralias", "{name: routes, value: '['}", "setting routes: "),
    ] {
        let said = refused(&(MEMORY.to_owned() + &component("m", kind, settings)), &[]);
        assert!(said.contains(expected) && said.contains("component m: "), "{said}");
    }
    let file = configuration(&folder, "httpPipeline", &[("gone", "ratelimit")]);
    let said = refused(MEMORY, &["--config", &file]);
    let expected =
        "config.yaml: spec.httpPipeline: there is no component gone of type middleware.http.ratelimit";
    assert!(said.contains(expected), "{said}");
}
