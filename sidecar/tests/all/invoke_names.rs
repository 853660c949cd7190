//! Where other sidecars are, and who may call.

use dapr::dapr::proto::common::v1::http_extension::Verb;
use http::StatusCode;
use tempfile::TempDir;

use crate::app::{App, Dead};
use crate::callbacks::Callbacks;
use crate::invoke_grpc::invoke;
use crate::sidecar::{MEMORY, Sidecar, refused};
use crate::wire::{self, Answer};

const CALL: &str = "/v1.0/invoke/callee/method/x";

fn configuration(folder: &TempDir, spec: &str) -> String {
    let path = folder.path().join("config.yaml");
    let text =
        format!("apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {{name: c}}\nspec: {spec}\n");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn get(sidecar: &Sidecar, path: &str) -> Answer {
    wire::call(&sidecar.http(), "GET", path, &[], "").await
}

async fn app() -> App {
    App::start(|_| (StatusCode::OK, "here".to_owned())).await
}

fn callee(app: &App, arguments: &[&str]) -> Sidecar {
    callee_at(app.port, arguments)
}

fn callee_at(port: u16, arguments: &[&str]) -> Sidecar {
    let port = port.to_string();
    let own = ["--app-id", "callee", "--app-port", &port];
    Sidecar::with(MEMORY, &own.into_iter().chain(arguments.iter().copied()).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_configuration_says_where_others_are() {
    let app = app().await;
    let callee = callee(&app, &[]);
    let internal = callee.text("internal");
    let port = internal.rsplit_once(':').unwrap().1;
    let folder = TempDir::new().unwrap();
    let instances = format!(
        r#"{{"appInstances":{{"callee":[{{"ipv4":"127.0.0.1","port":{port},"extendedInfo":{{"a":"b"}}}}]}}}}"#
    );
    std::fs::write(folder.path().join("instances.json"), &instances).unwrap();
    std::fs::write(folder.path().join("instances.yaml"), &instances).unwrap();
    for resolution in [
        format!("{{component: static, configuration: {{callee: \"{internal}\"}}}}"),
        format!("{{component: static, configuration: {{callee: [\"{internal}\"]}}}}"),
        format!(
            "{{component: structuredformat, configuration: {{structuredType: jsonString, stringValue: '{instances}'}}}}"
        ),
        "{component: structuredformat, configuration: {structuredType: jsonFile, filePath: instances.json}}"
            .to_owned(),
        "{component: structuredformat, configuration: {structuredType: yamlFile, filePath: instances.yaml}}"
            .to_owned(),
        format!("{{component: dns, configuration: {{template: \"localhost:{{{{.Port}}}}\", port: {port}}}}}"),
    ] {
        let file = configuration(&folder, &format!("{{nameResolution: {resolution}}}"));
        let caller = Sidecar::with(MEMORY, &["--app-id", "caller", "--config", &file]);
        let answer = get(&caller, CALL).await;
        assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"here"[..]), "{resolution}");
    }
}

#[tokio::test]
async fn what_is_wrong_about_names_is_told_with_its_remedy() {
    let folder = TempDir::new().unwrap();
    for (resolution, expected) in [
        ("{component: mdns}", "this sidecar has no mDNS; name the other sidecars with the component static"),
        ("{}", "component is missing: static, structuredformat or dns"),
        ("{component: consul}", "component \"consul\" is unknown"),
        ("{component: static, configuration: {a: nowhere}}", "configuration.a: \"nowhere\" is no address"),
        (
            "{component: static, configuration: {a: 'u@h:1'}}",
            "is no address of a sidecar; write it as HOST:PORT",
        ),
        (
            "{component: structuredformat, configuration: {structuredType: xml}}",
            "structuredType \"xml\" is none of",
        ),
        (
            "{component: structuredformat, configuration: {structuredType: jsonFile, filePath: no.json}}",
            "no.json: ",
        ),
        ("{component: dns, configuration: {template: '{{.Name}}:1'}}", "configuration.template comes to"),
        ("{component: dns, configuration: {template: '{{.ID}}'}}", "with a port at its end"),
    ] {
        let file = configuration(&folder, &format!("{{nameResolution: {resolution}}}"));
        let said = refused(MEMORY, &["--config", &file]);
        assert!(said.contains(expected) && said.contains("config.yaml: spec.nameResolution"), "{said}");
    }
    assert!(refused(MEMORY, &["--app-address", "a=b"]).contains("--app-address a=b: \"b\" is no address"));
    assert!(refused(MEMORY, &["--app-address", "a"]).contains("write it as APP=HOST:PORT"));
    // Names that DNS does not know.
    let file = configuration(
        &folder,
        "{nameResolution: {component: kubernetes, configuration: {clusterDomain: invalid}}}",
    );
    let caller = Sidecar::with(MEMORY, &["--app-id", "caller", "--config", &file]);
    let message = get(&caller, CALL).await.failed(500, "ERR_DIRECT_INVOKE");
    let expected = "failed to invoke, id: callee, err: failed to resolve address for 'callee-dapr.default.svc.invalid:50002': ";
    assert!(message.starts_with(expected), "{message}");
}

#[tokio::test]
async fn calls_go_round_several_sidecars_and_past_those_that_are_gone() {
    let app = app().await;
    let (first, second) = (callee(&app, &[]), callee(&app, &[]));
    let dead = Dead::new();
    let addresses = [&first.text("internal"), &dead.address().to_string(), &second.text("internal")]
        .map(|it| format!("callee={it}"));
    let [first_at, dead_at, second_at] = &addresses;
    let arguments = [
        "--app-id",
        "caller",
        "--app-address",
        first_at,
        "--app-address",
        dead_at,
        "--app-address",
        second_at,
    ];
    let caller = Sidecar::with(MEMORY, &arguments);
    for _ in 0..30 {
        assert_eq!(get(&caller, CALL).await.status, StatusCode::OK);
    }
    drop(first);
    for _ in 0..30 {
        assert_eq!(get(&caller, CALL).await.status, StatusCode::OK);
    }
    assert_eq!(app.asked("/x").len(), 60);
    drop(second);
    let message = get(&caller, CALL).await.failed(500, "ERR_DIRECT_INVOKE");
    assert!(
        message.contains("failed to invoke target callee after 3 retries. Error: 127.0.0.1:"),
        "{message}"
    );
}

#[tokio::test]
async fn a_server_that_is_no_app_can_be_called() {
    let app = app().await;
    let sidecar = Sidecar::with_environment(MEMORY, &[], &[("APP_API_TOKEN", "secret")]);
    let path = format!("/v1.0/invoke/http://127.0.0.1:{}/method/a/b?x=1", app.port);
    for path in [path.clone(), path.replace("http://", "http%3A%2F%2F")] {
        let headers = [("x-mine", "yes"), ("dapr-caller-app-id", "boss")];
        assert_eq!(wire::call(&sidecar.http(), "PUT", &path, &headers, "body").await.body, "here");
    }
    for asked in app.asked("/a/b?x=1") {
        assert_eq!(
            (asked.method.as_str(), &asked.body[..], asked.header("x-mine")),
            ("PUT", &b"body"[..], Some("yes"))
        );
        assert_eq!((asked.header("dapr-caller-app-id"), asked.header("dapr-api-token")), (None, None));
    }
    let message =
        get(&sidecar, "/v1.0/invoke/http://127.0.0.1:1/method/x").await.failed(500, "ERR_DIRECT_INVOKE");
    assert!(
        message.starts_with("failed to invoke, id: http://127.0.0.1:1, err: http://127.0.0.1:1: "),
        "{message}"
    );
    for wrong in ["http://", "http://u:p@h", "http://h?x"] {
        let path = format!("/v1.0/invoke/{}/method/x", wrong.replace('?', "%3F"));
        get(&sidecar, &path).await.failed(500, "ERR_DIRECT_INVOKE");
    }
}

#[tokio::test]
async fn who_may_call_what_is_decided_where_the_app_is() {
    let app = app().await;
    let folder = TempDir::new().unwrap();
    let file = configuration(
        &folder,
        "{accessControl: {defaultAction: deny, trustDomain: public, policies: [
            {appId: caller, defaultAction: deny, trustDomain: public, namespace: default, operations: [
                {name: /orders/*, httpVerb: [GET, PUT], action: allow},
                {name: /orders/secret, httpVerb: ['*'], action: deny},
                {name: /all/**, httpVerb: ['*'], action: allow}]},
            {appId: friend, defaultAction: allow, namespace: default, operations: [
                {name: /orders/secret, httpVerb: ['*'], action: deny}]},
            {appId: afar, defaultAction: allow, namespace: elsewhere},
            {appId: trusted, defaultAction: allow, namespace: default, trustDomain: other}]}}",
    );
    let callee = callee(&app, &["--config", &file]);
    let address = format!("callee={}", callee.text("internal"));
    let caller = |id: &str| Sidecar::with(MEMORY, &["--app-id", id, "--app-address", &address]);
    for (id, calls) in [
        (
            "caller",
            &[
                ("GET", "/orders/7", true),
                ("PUT", "/orders/7", true),
                ("POST", "/orders/7", false),
                ("GET", "/orders", false),
                ("GET", "/orders/7/8", false),
                ("GET", "/orders/secret", false),
                ("GET", "/orders/%73ecret", false),
                ("GET", "/orders/x/../secret", false),
                ("GET", "/all/%2e%2e/orders/secret", false),
                ("GET", "/all/x%2F..%2F..%2Forders%2Fsecret", false),
                ("GET", "/all/a/b", true),
                ("DELETE", "/all/a/b?c=/orders/secret", true),
                ("GET", "/other", false),
            ][..],
        ),
        ("friend", &[("GET", "/other", true), ("GET", "/orders/secret", false)][..]),
        ("afar", &[("GET", "/other", false)][..]),
        ("trusted", &[("GET", "/other", false)][..]),
        ("stranger", &[("GET", "/orders/7", false)][..]),
    ] {
        let caller = caller(id);
        for (method, path, allowed) in calls {
            let before = app.calls().len();
            let uri = format!("/v1.0/invoke/callee/method{path}");
            // Nobody gets in by another's name.
            let headers = [("dapr-caller-app-id", "friend"), ("dapr-caller-namespace", "default")];
            let answer = wire::call(&caller.http(), method, &uri, &headers, "").await;
            if *allowed {
                assert_eq!(answer.status, StatusCode::OK, "{id} {method} {path}: {answer:?}");
                continue;
            }
            let message = answer.failed(403, "ERR_DIRECT_INVOKE");
            let start = "failed to invoke, id: callee, err: rpc error: code = PermissionDenied desc = access control \
                         policy has denied access to id: spiffe://public/ns/default/";
            assert!(message.starts_with(&format!("{start}{id} operation: ")), "{message}");
            assert_eq!(app.calls().len(), before, "{id} {method} {path}");
        }
    }
    // Its own app is not kept out.
    assert_eq!(get(&callee, "/v1.0/invoke/callee/method/orders/secret").await.status, StatusCode::OK);
    for (spec, expected) in [
        ("{defaultAction: maybe}", "defaultAction \"maybe\" is neither allow nor deny"),
        ("{policies: [{namespace: default}]}", "a policy has no appId"),
        ("{policies: [{appId: a}]}", "the policy for a has no namespace"),
        ("{policies: [{appId: a, namespace: b, operations: [{name: /x}]}]}", "operation /x has no action"),
    ] {
        let file = configuration(&folder, &format!("{{accessControl: {spec}}}"));
        let said = refused(MEMORY, &["--config", &file]);
        assert!(said.contains(expected) && said.contains("config.yaml: spec.accessControl: "), "{said}");
    }
}

/// To an app that speaks gRPC verbs mean nothing, whichever a call names.
#[tokio::test]
async fn verbs_do_not_count_where_the_app_speaks_grpc() {
    let app = Callbacks::start().await;
    let folder = TempDir::new().unwrap();
    let file = configuration(
        &folder,
        "{accessControl: {defaultAction: deny, policies: [
            {appId: free, defaultAction: allow, namespace: default, operations: [
                {name: /m1, action: deny},
                {name: /m2, httpVerb: [POST], action: deny}]},
            {appId: kept, defaultAction: deny, namespace: default, operations: [
                {name: /m1, action: allow},
                {name: /m2, httpVerb: [POST], action: allow}]}]}}",
    );
    let callee = callee_at(app.port, &["--app-protocol", "grpc", "--config", &file]);
    let address = format!("callee={}", callee.text("internal"));
    let mut count = 0;
    for (id, named) in [("free", false), ("kept", true)] {
        let caller = Sidecar::with(MEMORY, &["--app-id", id, "--app-address", &address]);
        let mut client = wire::grpc(&caller.grpc()).await;
        for (method, allowed) in [("m1", named), ("m2", named), ("m3", !named)] {
            for verb in ["GET", "POST"] {
                let path = format!("/v1.0/invoke/callee/method/{method}");
                let answer = wire::call(&caller.http(), verb, &path, &[], "").await;
                let status = if allowed { StatusCode::OK } else { StatusCode::FORBIDDEN };
                assert_eq!(answer.status, status, "{id} {verb} {method}: {answer:?}");
                count += usize::from(allowed);
            }
            for verb in [Some(Verb::Get), Some(Verb::Post), Some(Verb::None), None] {
                let mut request = invoke("callee", method, verb.unwrap_or_default(), "");
                if verb.is_none() {
                    request.message.as_mut().unwrap().http_extension = None;
                }
                let answer = client.invoke_service(request).await;
                let code = answer.map_or_else(|status| status.code(), |_| tonic::Code::Ok);
                let expected = if allowed { tonic::Code::Ok } else { tonic::Code::PermissionDenied };
                assert_eq!(code, expected, "{id} {verb:?} {method}");
                count += usize::from(allowed);
            }
        }
    }
    assert_eq!(app.until_told("OnInvoke", count).await.len(), count);
}

/// Neither case of a verb lets a call past a rule.
#[tokio::test]
async fn a_verb_is_the_same_in_any_case() {
    let app = app().await;
    let folder = TempDir::new().unwrap();
    let file = configuration(
        &folder,
        "{accessControl: {defaultAction: allow, policies: [
            {appId: caller, defaultAction: allow, namespace: default, operations: [
                {name: /x, httpVerb: [Get], action: deny}]}]}}",
    );
    let callee = callee(&app, &["--config", &file]);
    let address = format!("callee={}", callee.text("internal"));
    let caller = Sidecar::with(MEMORY, &["--app-id", "caller", "--app-address", &address]);
    for verb in ["GET", "get", "gEt"] {
        let answer = wire::call(&caller.http(), verb, CALL, &[], "").await;
        answer.failed(403, "ERR_DIRECT_INVOKE");
    }
    assert!(app.asked("/x").is_empty());
    assert_eq!(wire::call(&caller.http(), "post", CALL, &[], "").await.status, StatusCode::OK);
}
