//! Metrics of calls of apps, of the policies for calls, and of requests to the app.

use http::StatusCode;
use tonic::Code;
use tonic::metadata::MetadataValue;

use dapr::dapr::proto::common::v1::http_extension::Verb;

use crate::app::App;
use crate::callbacks::Callbacks;
use crate::invoke_grpc::{channel, invoke, to_callee, unary, word};
use crate::invoke_http::{pair, pair_with};
use crate::metrics::{metrics, value};
use crate::raw::Raw;
use crate::resiliency::with;
use crate::sidecar::{MEMORY, Sidecar};
use crate::wire;

const INVOCATION: &str = "dapr_runtime_service_invocation";

#[tokio::test]
async fn calls_between_apps_are_counted_at_both_ends() {
    let app = App::start(|asked| match asked.path.as_str() {
        "/teapot" => (StatusCode::IM_A_TEAPOT, String::new()),
        _ => (StatusCode::OK, String::new()),
    })
    .await;
    let (caller, callee) = pair(app.port);
    for path in ["a", "a", "teapot"] {
        caller.call("POST", &format!("/v1.0/invoke/callee/method/{path}"), "").await;
    }
    let mut client = wire::grpc(&caller.grpc()).await;
    client.invoke_service(invoke("callee", "a", Verb::Post, "")).await.unwrap();
    client.invoke_service(invoke("callee", "teapot", Verb::Post, "")).await.unwrap_err();
    // A call that nobody answers, and one that goes to no other sidecar.
    caller.call("POST", "/v1.0/invoke/nobody/method/a", "").await.failed(500, "ERR_DIRECT_INVOKE");
    callee.call("POST", "/v1.0/invoke/callee/method/a", "").await;

    let text = metrics(&caller).await;
    let own = "app_id=\"caller\",dst_app_id=\"callee\",type=\"unary\"";
    assert_eq!(value(&text, &format!("{INVOCATION}_req_sent_total{{{own}}}")), 5.0);
    for (status, count) in [("200", 3.0), ("4xx", 2.0)] {
        let own = format!("app_id=\"caller\",src_app_id=\"callee\",status=\"{status}\"");
        assert_eq!(value(&text, &format!("{INVOCATION}_res_recv_total{{{own},type=\"unary\"}}")), count);
        assert_eq!(value(&text, &format!("{INVOCATION}_res_recv_latency_ms_count{{{own}}}")), count);
    }
    assert!(!text.contains("nobody"), "it was never sent");
    let text = metrics(&callee).await;
    let own = "app_id=\"callee\",src_app_id=\"caller\",type=\"unary\"";
    assert_eq!(value(&text, &format!("{INVOCATION}_req_recv_total{{{own}}}")), 5.0);
    for (status, count) in [("200", 3.0), ("4xx", 2.0)] {
        let own = format!("app_id=\"callee\",dst_app_id=\"caller\",status=\"{status}\",type=\"unary\"");
        assert_eq!(value(&text, &format!("{INVOCATION}_res_sent_total{{{own}}}")), count);
    }
    assert!(!text.contains("_req_sent_total{"), "its own app is called by no other sidecar");
    // What reached the app, by whichever way.
    for (status, count) in [("200", 4.0), ("4xx", 2.0)] {
        let own = format!("app_id=\"callee\",method=\"POST\",status=\"{status}\"");
        assert_eq!(value(&text, &format!("dapr_http_client_completed_count{{{own}}}")), count);
        assert_eq!(value(&text, &format!("dapr_http_client_roundtrip_latency_count{{{own}}}")), count);
    }
}

#[tokio::test]
async fn calls_over_grpc_are_counted_by_their_codes() {
    for (code, name, told) in [("0", "OK", "0"), ("9", "FailedPrecondition", "9")] {
        let app = Callbacks::answering(code).await;
        let (caller, callee) = pair_with(app.port, &["--app-protocol", "grpc"], &[]);
        let mut client = channel(&caller).await;
        let answered = unary(&mut client, to_callee(word("")), "Unary").await;
        assert_eq!(
            answered.err().map_or(Code::Ok, |status| status.code()),
            Code::from(code.parse::<i32>().unwrap())
        );
        let mut streaming = to_callee(word(""));
        streaming.metadata_mut().insert("dapr-stream", MetadataValue::from_static("true"));
        // What it answers was seen.
        let _ = unary(&mut client, streaming, "Unary").await;
        let mut invoking = wire::grpc(&caller.grpc()).await;
        let _ = invoking.invoke_service(invoke("callee", "m", Verb::Get, "")).await;

        let (at_caller, at_callee) = (metrics(&caller).await, metrics(&callee).await);
        for (kind, count) in [("unary", 2.0), ("streaming", 1.0)] {
            for (text, name, end, own, status) in [
                (&at_caller, "req_sent", "dst_app_id=\"callee\"", "caller", ""),
                (&at_caller, "res_recv", "src_app_id=\"callee\"", "caller", told),
                (&at_callee, "req_recv", "src_app_id=\"caller\"", "callee", ""),
                (&at_callee, "res_sent", "dst_app_id=\"caller\"", "callee", told),
            ] {
                let status = if status.is_empty() { String::new() } else { format!("status=\"{status}\",") };
                let labels = format!("app_id=\"{own}\",{end},{status}type=\"{kind}\"");
                assert_eq!(value(text, &format!("{INVOCATION}_{name}_total{{{labels}}}")), count, "{labels}");
            }
        }
        // By the names of callbacks alone: an app's own methods are without end.
        for (method, count) in [("/dapr.proto.runtime.v1.AppCallback/OnInvoke", 1.0), ("Other", 2.0)] {
            let labels =
                format!("app_id=\"callee\",grpc_client_method=\"{method}\",grpc_client_status=\"{name}\"");
            let text = &at_callee;
            assert_eq!(value(text, &format!("dapr_grpc_io_client_completed_rpcs{{{labels}}}")), count);
            assert_eq!(
                value(text, &format!("dapr_grpc_io_client_roundtrip_latency_count{{{labels}}}")),
                count
            );
        }
    }
}

fn policy(app: &str, policy: &str, status: &str, target: &str) -> String {
    format!(
        "app_id=\"{app}\",flow_direction=\"outbound\",name=\"r\",namespace=\"\",policy=\"{policy}\",\
         status=\"{status}\",target=\"{target}\""
    )
}

#[tokio::test]
async fn policies_are_counted_where_they_are_and_where_they_do_something() {
    let app = App::start(|_| (StatusCode::SERVICE_UNAVAILABLE, String::new())).await;
    let port = app.port.to_string();
    let arguments = ["--app-id", "callee", "--app-port", &port];
    let spec = "{policies: {retries: {quick: {policy: constant, duration: 1ms, maxRetries: 2}},
        circuitBreakers: {cb: {trip: consecutiveFailures > 3, timeout: 1h}}},
        targets: {apps: {callee: {retry: quick, circuitBreaker: cb}},
            components: {store: {outbound: {retry: quick}}}}}";
    let sidecar = Sidecar::with(&with(MEMORY, spec), &arguments);
    for _ in 0..3 {
        sidecar.call("POST", "/v1.0/invoke/callee/method/a", "").await;
    }
    sidecar.call("GET", "/v1.0/state/store/k", "").await.is_empty();
    let text = metrics(&sidecar).await;
    assert_eq!(value(&text, "dapr_resiliency_loaded{app_id=\"callee\",name=\"r\",namespace=\"\"}"), 1.0);
    // Three tries, then one that opens the circuit, then none.
    assert_eq!(app.asked("/a").len(), 4);
    for (name, kind, status, target, count) in [
        ("count", "retry", "", "app_callee", 3.0),
        ("count", "circuitbreaker", "closed", "app_callee", 2.0),
        ("count", "circuitbreaker", "open", "app_callee", 1.0),
        ("count", "retry", "", "Statestore_store", 1.0),
        ("activations_total", "retry", "", "app_callee", 3.0),
        ("activations_total", "circuitbreaker", "open", "app_callee", 1.0),
    ] {
        let labels = policy("callee", kind, status, target);
        assert_eq!(value(&text, &format!("dapr_resiliency_{name}{{{labels}}}")), count, "{labels}");
    }
    let of_store = policy("callee", "retry", "", "Statestore_store");
    assert!(!text.contains(&format!("activations_total{{{of_store}}}")), "{text}");
}

#[tokio::test]
async fn a_policy_that_gives_a_call_up_is_counted() {
    let app = Raw::start(|_| std::future::pending()).await;
    let port = app.port.to_string();
    let arguments = ["--app-id", "callee", "--app-port", &port];
    let spec = "{policies: {timeouts: {short: 10ms}}, targets: {apps: {callee: {timeout: short}}}}";
    let sidecar = Sidecar::with(&with(MEMORY, spec), &arguments);
    sidecar.call("POST", "/v1.0/invoke/callee/method/a", "").await.failed(500, "ERR_DIRECT_INVOKE");
    let text = metrics(&sidecar).await;
    let labels = policy("callee", "timeout", "", "app_callee");
    for name in ["count", "activations_total"] {
        assert_eq!(value(&text, &format!("dapr_resiliency_{name}{{{labels}}}")), 1.0);
    }
}
