//! Output bindings.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;

use dapr::dapr::proto::runtime::v1::InvokeBindingRequest;
use http::StatusCode;
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;

use crate::app::App;
use crate::sidecar::{Sidecar, refused};
use crate::wire;
use crate::yaml::component;

const ERROR: &str = "ERR_INVOKE_OUTPUT_BINDING";

async fn server() -> App {
    App::start(|asked| match asked.path.as_str() {
        "/base/gone" => (StatusCode::NOT_FOUND, r#"{"no":1}"#.to_owned()),
        "/base/none" => (StatusCode::NO_CONTENT, String::new()),
        _ => (StatusCode::OK, format!("\"{}\"", asked.method)),
    })
    .await
}

fn http(server: &App, more: &[(&str, &str)]) -> String {
    let url = format!("http://127.0.0.1:{}/base", server.port);
    let settings = [&[("url", url.as_str())], more].concat();
    component("web", "bindings.http", &settings)
}

#[tokio::test]
async fn requests_to_a_server() {
    let server = server().await;
    let sidecar = Sidecar::with(&http(&server, &[]), &[]);
    let invoke = async |body: &str| sidecar.call("POST", "/v1.0/bindings/web", body).await;
    let body = json!({
        "operation": "create",
        "data": {"a": [1, "x"]},
        "metadata": {"path": "/orders/5?x=y", "X-Trace": "t", "lower": "not a header"},
    });
    let answer = invoke(&body.to_string()).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"\"POST\""[..]));
    for (name, value) in [
        ("content-type", "application/json"),
        ("metadata.statuscode", "200"),
        ("metadata.status", "200 OK"),
        ("metadata.content-type", "application/json"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let asked = &server.asked("/base/orders")[0];
    assert_eq!((asked.path.as_str(), &asked.body[..]), ("/base/orders/5?x=y", &br#"{"a":[1,"x"]}"#[..]));
    assert_eq!(asked.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(asked.header("accept"), Some("application/json; charset=utf-8"));
    assert_eq!((asked.header("x-trace"), asked.header("lower")), (Some("t"), None));

    for operation in ["get", "post", "put", "patch", "delete", "options", "trace", "head"] {
        let path = format!("each-{operation}");
        let body =
            json!({"operation": operation, "data": 1, "metadata": {"path": path, "Content-Type": "text/x"}});
        let answer = invoke(&body.to_string()).await;
        assert_eq!(answer.status.as_u16(), 200, "{operation}");
        let asked = &server.asked(&format!("/base/{path}"))[0];
        assert_eq!(asked.method.as_str(), operation.to_uppercase());
        let has_body = ["post", "put", "patch"].contains(&operation);
        assert_eq!(&asked.body[..], if has_body { &b"1"[..] } else { b"" }, "{operation}");
        assert_eq!(asked.header("content-type"), Some("text/x"));
    }
    // Without data it is null; without a path it is the component's own.
    invoke(r#"{"operation":"post"}"#).await;
    assert!(server.asked("/base").iter().any(|asked| asked.path == "/base" && &asked.body[..] == b"null"));
    // PUT will do as well, and metadata may be in the query.
    let answer = sidecar.call("PUT", "/v1.0/bindings/web?metadata.path=q", r#"{"operation":"get"}"#).await;
    assert_eq!((answer.status.as_u16(), server.asked("/base/q").len()), (200, 1));
    // An answer without a body is one.
    let answer = invoke(r#"{"operation":"get","metadata":{"path":"none"}}"#).await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.len(), answer.header("metadata.statuscode")),
        (200, 0, Some("204"))
    );
}

#[tokio::test]
async fn requests_to_a_server_over_grpc() {
    let server = server().await;
    let sidecar = Sidecar::with(&http(&server, &[]), &[]);
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let request = |operation: &str, path: &str| InvokeBindingRequest {
        name: "web".to_owned(),
        operation: operation.to_owned(),
        data: b"\x00raw\xff".to_vec(),
        metadata: HashMap::from([("path".to_owned(), path.to_owned())]),
    };
    let response = client.invoke_binding(request("post", "raw")).await.unwrap().into_inner();
    assert_eq!((&response.data[..], &*response.metadata["statusCode"]), (&b"\"POST\""[..], "200"));
    assert_eq!(response.metadata["Content-Type"], "application/json");
    assert_eq!(&server.asked("/base/raw")[0].body[..], b"\x00raw\xff");
    let status = client.invoke_binding(request("get", "gone")).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert_eq!(status.message(), "error invoking output binding web: received status code 404");
    let mut soft = request("get", "gone");
    soft.metadata.insert("errorIfNot2XX".to_owned(), "false".to_owned());
    let response = client.invoke_binding(soft).await.unwrap().into_inner();
    assert_eq!((&response.data[..], &*response.metadata["status"]), (&br#"{"no":1}"#[..], "404 Not Found"));
}

#[tokio::test]
async fn failures_are_those_of_dapr() {
    let server = server().await;
    let sidecar = Sidecar::with(&http(&server, &[]), &[]);
    let invoke = async |name: &str, body: &str| {
        let answer = sidecar.call("POST", &format!("/v1.0/bindings/{name}"), body).await;
        answer
            .failed(500, ERROR)
            .strip_prefix(&format!("error invoking output binding {name}: "))
            .unwrap()
            .to_owned()
    };
    assert_eq!(invoke("other", r#"{"operation":"get"}"#).await, "couldn't find output binding other");
    assert_eq!(invoke("web", "{}").await, "operation field is missing from request");
    let said = invoke("web", r#"{"operation":"list"}"#).await;
    let supported = "create get head post put patch delete options trace";
    assert_eq!(
        said,
        format!("binding web does not support operation list. supported operations:{supported}")
    );
    assert_eq!(
        invoke("web", r#"{"operation":"get","metadata":{"path":"gone"}}"#).await,
        "received status code 404"
    );
    for bad in ["", "{", "[]", r#"{"operation":5}"#, r#"{"operation":"get","metadata":{"path":1}}"#] {
        sidecar.call("POST", "/v1.0/bindings/web", bad).await.failed(400, "ERR_MALFORMED_REQUEST");
    }
    // No path leads above the component's own, however it is written.
    for path in ["..", "/../admin", "a/../../admin", "%2e%2e/admin", "a/%2E./b", ".%2e"] {
        let body = json!({"operation": "get", "metadata": {"path": path}}).to_string();
        assert_eq!(invoke("web", &body).await, format!("invalid path: {path}"));
    }
    // Nor to another host.
    for path in ["@example.com", "//example.com/", "\\\\example.com", "#@example.com", "http://example.com"] {
        let body = json!({"operation": "get", "metadata": {"path": path}}).to_string();
        sidecar.call("POST", "/v1.0/bindings/web", body).await;
    }
    let count = server.asked("").len();
    assert!(server.asked("").iter().all(|asked| asked.path.starts_with("/base")), "{:?}", server.asked(""));
    let broken = json!({"operation": "get", "metadata": {"X-Bad": "a\r\nX-Smuggled: b"}}).to_string();
    assert!(invoke("web", &broken).await.contains("X-Bad"));
    assert_eq!(server.asked("").len(), count);
    let wanted = refused(&component("web", "bindings.http", &[]), &[]);
    assert!(wanted.contains("setting url is missing"), "{wanted}");
    for url in ["nonsense", "ftp://x", "http://", "/path"] {
        let said = refused(&component("web", "bindings.http", &[("url", url)]), &[]);
        assert!(said.contains("setting url: this is no URL of a server"), "{url}: {said}");
    }
}

#[tokio::test]
async fn settings_of_a_server() {
    let server = server().await;
    let strict = [
        ("errorIfNot2XX", "false"),
        ("maxResponseBodySize", "3"),
        ("securityToken", "t0ken"),
        ("securityTokenHeader", "X-Key"),
    ];
    let sidecar = Sidecar::with(&http(&server, &strict), &[]);
    let invoke = async |path: &str| {
        let body = json!({"operation": "head", "metadata": {"path": path}}).to_string();
        sidecar.call("POST", "/v1.0/bindings/web", body).await
    };
    assert_eq!(invoke("gone").await.header("metadata.statuscode"), Some("404"));
    assert_eq!(server.asked("/base/gone")[0].header("x-key"), Some("t0ken"));
    let long = sidecar.call("POST", "/v1.0/bindings/web", r#"{"operation":"get"}"#).await;
    assert!(long.failed(500, ERROR).contains("more than 3 bytes in the body"));
    let said = refused(&http(&server, &[("securityToken", "t0ken")]), &[]);
    assert!(
        said.contains("securityToken and securityTokenHeader go together") && !said.contains("t0ken"),
        "{said}"
    );
    let said = refused(&http(&server, &[("responseTimeout", "soon")]), &[]);
    assert!(said.contains("setting responseTimeout: \"soon\" is no time"), "{said}");
}

#[tokio::test]
async fn files_below_a_folder() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("root");
    let components = component("files", "bindings.localstorage", &[("rootPath", root.to_str().unwrap())]);
    let sidecar = Sidecar::with(&components, &[]);
    let root = root.canonicalize().unwrap();
    let invoke = async |operation: &str, file: &str, data: serde_json::Value| {
        let body = json!({"operation": operation, "data": data, "metadata": {"fileName": file}}).to_string();
        sidecar.call("POST", "/v1.0/bindings/files", body).await
    };
    let answer = invoke("create", "a/b/text.txt", json!("hello, world\n\"x\"")).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"fileName": "a/b/text.txt"})));
    assert_eq!(fs::read_to_string(root.join("a/b/text.txt")).unwrap(), "hello, world\n\"x\"");
    // What is base64 is decoded, and what is no text is written as JSON.
    invoke("create", "binary", json!("AAECAw==")).await;
    assert_eq!(fs::read(root.join("binary")).unwrap(), [0, 1, 2, 3]);
    invoke("create", "object", json!({"a": 1})).await;
    assert_eq!(fs::read_to_string(root.join("object")).unwrap(), r#"{"a":1}"#);
    // It is replaced as a whole.
    invoke("create", "object", json!("!")).await;
    let answer = invoke("get", "object", json!(null)).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"!"[..]));
    let unnamed = sidecar.call("POST", "/v1.0/bindings/files", r#"{"operation":"create","data":"!?"}"#).await;
    let name = unnamed.json()["fileName"].as_str().unwrap().to_owned();
    assert_eq!((name.len(), fs::read_to_string(root.join(&name)).unwrap().as_str()), (36, "!?"));

    let shown = |names: &[&str]| {
        let mut paths: Vec<_> =
            names.iter().map(|name| root.join(name).to_str().unwrap().to_owned()).collect();
        paths.sort();
        json!(paths)
    };
    assert_eq!(
        invoke("list", "", json!(null)).await.json(),
        shown(&["a/b/text.txt", "binary", "object", &name])
    );
    assert_eq!(invoke("list", "a", json!(null)).await.json(), shown(&["a/b/text.txt"]));
    invoke("delete", "a/b/text.txt", json!(null)).await.is_empty();
    assert_eq!(invoke("list", "a", json!(null)).await.json(), json!([]));
    let failed = async |operation: &str, file: &str| {
        let said = invoke(operation, file, json!("!")).await.failed(500, ERROR);
        said.strip_prefix("error invoking output binding files: ").unwrap().to_owned()
    };
    for operation in ["get", "delete", "list"] {
        assert_eq!(failed(operation, "a/b/text.txt").await, "file not found: a/b/text.txt");
    }
    assert_eq!(
        failed("list", "object").await,
        "unable to list files as the file specified is not a directory [object]"
    );
    for operation in ["get", "delete"] {
        assert_eq!(failed(operation, "").await, "required metadata not set: fileName");
    }
    assert!(failed("create", "a/b").await.contains("it is a folder"));
    assert!(failed("create", "object/x").await.contains("a part of its name is not a folder"));
    assert!(failed("copy", "a").await.contains("supported operations:create get list delete"));

    let mut client = wire::grpc(&sidecar.grpc()).await;
    let request = |operation: &str, data: &[u8]| InvokeBindingRequest {
        name: "files".to_owned(),
        operation: operation.to_owned(),
        data: data.to_vec(),
        metadata: HashMap::from([("fileName".to_owned(), "raw".to_owned())]),
    };
    let response = client.invoke_binding(request("create", b"\x00\xff\n")).await.unwrap().into_inner();
    assert_eq!(response.data, br#"{"fileName":"raw"}"#);
    assert_eq!(client.invoke_binding(request("get", b"")).await.unwrap().into_inner().data, b"\x00\xff\n");
    assert_eq!(client.invoke_binding(request("delete", b"")).await.unwrap().into_inner().data, b"");
}

#[tokio::test]
async fn no_file_name_leads_out_of_the_folder() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let outside = folder.path().join("outside.txt");
    fs::write(&outside, "not yours").unwrap();
    symlink(&outside, root.join("link.txt")).unwrap();
    symlink(folder.path(), root.join("up")).unwrap();
    symlink("/", root.join("all")).unwrap();
    let components = component("files", "bindings.localstorage", &[("rootPath", root.to_str().unwrap())]);
    let sidecar = Sidecar::with(&components, &[]);
    let outer = outside.to_str().unwrap();
    for file in [
        "../outside.txt",
        "/../outside.txt",
        "a/../../outside.txt",
        outer,
        "link.txt",
        "up/outside.txt",
        "up/../outside.txt",
        "all/etc/passwd",
        "..",
        "/",
        ".",
        "a\0b",
        "../../../../etc/passwd",
    ] {
        for operation in ["get", "list", "delete"] {
            let body = json!({"operation": operation, "metadata": {"fileName": file}}).to_string();
            let answer = sidecar.call("POST", "/v1.0/bindings/files", body).await;
            let said = String::from_utf8_lossy(&answer.body);
            assert!(!said.contains("not yours") && !said.contains("root:"), "{operation} {file}: {said}");
            assert_eq!(fs::read_to_string(&outside).unwrap(), "not yours", "{operation} {file}");
        }
        let body =
            json!({"operation": "create", "data": "mine!", "metadata": {"fileName": file}}).to_string();
        sidecar.call("POST", "/v1.0/bindings/files", body).await;
        assert_eq!(fs::read_to_string(&outside).unwrap(), "not yours", "{file}");
    }
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().filter(|it| it.as_ref().unwrap().file_name() != "root").count(),
        1
    );
    let list = sidecar.call("POST", "/v1.0/bindings/files", r#"{"operation":"list"}"#).await.json();
    let list =
        list.as_array().unwrap().iter().map(|file| file.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let root = root.canonicalize().unwrap();
    assert!(list.iter().all(|file| file.starts_with(root.to_str().unwrap())), "{list:?}");
    assert!(!list.iter().any(|file| file.contains("/up/") || file.contains("/all/")), "{list:?}");
    for path in ["/", "/proc/self", "/sys"] {
        let said = refused(&component("files", "bindings.localstorage", &[("rootPath", path)]), &[]);
        assert!(said.contains("setting rootPath"), "{path}: {said}");
    }
}
