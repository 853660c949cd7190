//! Which trace a request is of, as its fields say, and where spans go.

use std::time::Duration;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use pillion_capabilities::testing::Collector;
use pillion_capabilities::trace::{
    self, Context, Export, Options, Protocol, SamplingRate, SpanKind, TraceContextExt as _, Tracing,
};
use proptest::prelude::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let field = |(name, value): &(&str, &str)| {
        (HeaderName::try_from(*name).unwrap(), HeaderValue::try_from(*value).unwrap())
    };
    fields.iter().map(field).collect()
}

/// What a request with that `traceparent` is passed on with.
fn passed_on(parent: &str) -> Option<String> {
    trace::from_headers(&headers(&[("traceparent", parent)])).map(|context| trace::traceparent(&context))
}

/// What a `tracestate` of these fields is passed on as.
fn state_passed_on(states: &[&str]) -> Option<String> {
    let mut fields = vec![("traceparent", PARENT)];
    fields.extend(states.iter().map(|state| ("tracestate", *state)));
    trace::tracestate(&trace::from_headers(&headers(&fields)).expect("the parent is fine"))
}

#[test]
fn a_traceparent_is_taken_as_the_recommendation_has_it() {
    assert_eq!(passed_on(PARENT).as_deref(), Some(PARENT));
    let unsampled = PARENT.replace("-01", "-00");
    assert_eq!(passed_on(&unsampled), Some(unsampled));
    // Flags that are not known yet are no reason to refuse, and none to pass on.
    assert_eq!(passed_on(&PARENT.replace("-01", "-ff")).as_deref(), Some(PARENT));
    assert_eq!(passed_on(&format!(" {PARENT}\t")).as_deref(), Some(PARENT));
    // Versions to come: what is known of them is as it is now.
    for later in ["cc", "01", "fe"] {
        let later = PARENT.replacen("00", later, 1);
        assert_eq!(passed_on(&later).as_deref(), Some(PARENT), "{later}");
        assert_eq!(passed_on(&format!("{later}-what-is-to-come")).as_deref(), Some(PARENT));
        assert_eq!(passed_on(&format!("{later}.what-is-to-come")), None);
    }
    for wrong in [
        "",
        "-",
        "00",
        &PARENT[..54],
        &format!("{PARENT}-"),
        &format!("{PARENT}-00"),
        &format!("{PARENT}0"),
        &PARENT.replacen("00", "ff", 1),
        &PARENT.replacen("00", "0g", 1),
        &PARENT.replacen("00", "+0", 1),
        &PARENT.replacen("00", "0", 1),
        &PARENT.to_uppercase(),
        &PARENT.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
        &PARENT.replace("b7ad6b7169203331", "0000000000000000"),
        &PARENT.replace("0af7", "0ag7"),
        &PARENT.replace("0af7", "0AF7"),
        &PARENT.replace("b7ad", "b7aD"),
        &PARENT.replace("-01", "-0x"),
        &PARENT.replace('-', "_"),
        "00-1-1-01",
        "00-+af7651916cd43dd8448eb211c80319c-+7ad6b7169203331-01",
    ] {
        assert_eq!(passed_on(wrong), None, "{wrong:?}");
    }
    // Which of two is right, nobody knows.
    assert!(trace::from_headers(&headers(&[("traceparent", PARENT), ("traceparent", PARENT)])).is_none());
    assert!(trace::from_headers(&HeaderMap::new()).is_none());
    let not_text = [(HeaderName::from_static("traceparent"), HeaderValue::from_bytes(b"00-\xff").unwrap())];
    assert!(trace::from_headers(&not_text.into_iter().collect()).is_none());
}

#[test]
fn a_tracestate_is_kept_and_bounded() {
    assert_eq!(state_passed_on(&[]), None);
    assert_eq!(state_passed_on(&[""]), None);
    assert_eq!(state_passed_on(&["a=1,b=2"]).as_deref(), Some("a=1,b=2"));
    assert_eq!(state_passed_on(&[" a=1 \t,,b@c=2", "d=3"]).as_deref(), Some("a=1,b@c=2,d=3"));
    // One that is none says nothing against the trace.
    for wrong in
        ["a", "=", "A=1", "a=1,b", &format!("{}=1", "a".repeat(257)), &format!("a={}", "1".repeat(257))]
    {
        assert_eq!(state_passed_on(&[wrong]), None, "{wrong:?}");
    }
    let members: Vec<String> = (0..40).map(|number| format!("k{number}=v")).collect();
    assert_eq!(state_passed_on(&[&members.join(",")]), Some(members[..32].join(",")));
    // What is too long loses its long members first, and then its last.
    let long = format!("long={}", "x".repeat(200));
    let short: Vec<String> = (10..30).map(|number| format!("k{number}={}", "y".repeat(20))).collect();
    let kept = state_passed_on(&[&long, &short.join(",")]).expect("some is kept");
    assert_eq!(kept, short.join(","), "499 bytes");
    let more: Vec<String> = (10..32).map(|number| format!("k{number}={}", "y".repeat(20))).collect();
    let kept = state_passed_on(&[&more.join(",")]).expect("some is kept");
    assert_eq!(kept, more[..20].join(","));
}

#[test]
fn a_message_carries_a_trace_like_a_request() {
    let context = trace::from_headers(&headers(&[("traceparent", PARENT), ("tracestate", "a=1")])).unwrap();
    let mut pairs: Vec<(String, String)> =
        [("TraceParent", "mine"), ("other", "stays"), ("TRACESTATE", "mine")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    trace::inject(&context, &mut pairs);
    assert_eq!(trace::from_pairs(&pairs).as_ref(), Some(&context));
    assert_eq!(pairs.len(), 3, "{pairs:?}");
    pairs.push(("Traceparent".to_owned(), PARENT.to_owned()));
    assert_eq!(trace::from_pairs(&pairs), None, "there are two");
    assert_eq!(trace::from_pairs(&[]), None);
}

#[test]
fn a_binary_context_is_that_of_dapr() {
    let context = trace::from_headers(&headers(&[("traceparent", PARENT)])).unwrap();
    let bytes = trace::to_binary(&context);
    let known = b"\x00\x00\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c\
                  \x01\xb7\xad\x6b\x71\x69\x20\x33\x31\x02\x01";
    assert_eq!(&bytes, known);
    assert_eq!(trace::from_binary(&bytes), Some(context.clone()));
    let flagless = trace::from_binary(&bytes[..27]).expect("flags may be missing");
    assert_eq!((flagless.span_id(), flagless.is_sampled()), (context.span_id(), false));
    for length in 0..27 {
        assert_eq!(trace::from_binary(&bytes[..length]), None, "{length} bytes");
    }
    for (at, wrong) in [(0, 1), (1, 7), (18, 0)] {
        let mut bytes = bytes;
        bytes[at] = wrong;
        assert_eq!(trace::from_binary(&bytes), None, "{wrong} at {at}");
    }
    assert_eq!(trace::from_binary(&[0; 29]), None, "nobody's");
}

proptest! {
    /// Whatever is sent, what is passed on is right, or nothing.
    #[test]
    fn no_field_does_harm(parent in "\\PC{0,80}", state in "\\PC{0,700}", bytes: Vec<u8>) {
        let pairs = [("traceparent".to_owned(), parent), ("tracestate".to_owned(), state)];
        prop_assert!(trace::from_pairs(&pairs).is_none_or(|context| context.is_valid()));
        prop_assert!(trace::from_binary(&bytes).is_none_or(|context| context.is_valid()));
        let pairs = [("traceparent".to_owned(), PARENT.to_owned()), pairs[1].clone()];
        let context = trace::from_pairs(&pairs).expect("the parent is fine");
        let state = trace::tracestate(&context).unwrap_or_default();
        prop_assert!(state.len() <= 512 && HeaderValue::try_from(state).is_ok());
    }
}

fn options(endpoint: &str, protocol: Protocol, rate: f64) -> Options {
    Options {
        service: "tests".to_owned(),
        sampling_rate: rate.try_into().unwrap(),
        export: Some(Export::new(endpoint, protocol)),
    }
}

#[tokio::test]
async fn spans_are_exported_over_http_and_grpc() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let collector = Collector::start().unwrap();
        let tracing = Tracing::start(&options(&collector.url(), protocol, 1.0)).unwrap();
        let describe = || ("outer".into(), Vec::new());
        let outer = tracing.begin(&Context::new(), SpanKind::Server, describe);
        let inner = tracing.begin(&outer, SpanKind::Client, || ("inner".into(), Vec::new()));
        trace::end(&inner, Some("it went wrong"));
        trace::end(&outer, None);
        tracing.clone().close(Duration::from_secs(60)).await;
        let spans = collector.until(|spans| spans.len() == 2).await.unwrap();
        let [inner, outer] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((inner.name.as_str(), outer.name.as_str()), ("inner", "outer"));
        assert_eq!((&inner.trace, &inner.parent), (&outer.trace, &outer.span));
        assert_eq!((inner.error.as_deref(), outer.error.as_deref()), (Some("it went wrong"), None));
        assert_eq!((inner.kind.as_str(), outer.kind.as_str()), ("SPAN_KIND_CLIENT", "SPAN_KIND_SERVER"));
        assert_eq!((outer.service.as_str(), outer.parent.as_str()), ("tests", ""));
    }
}

#[tokio::test]
async fn a_sampled_parent_decides_and_the_rate_where_there_is_none() {
    let collector = Collector::start().unwrap();
    let tracing = Tracing::start(&options(&collector.url(), Protocol::Http, 0.0)).unwrap();
    let begun = tracing.begin(&Context::new(), SpanKind::Server, || panic!("it is not recorded"));
    let own = begun.span().span_context().clone();
    assert!(own.is_valid() && !own.is_sampled(), "it is passed on that it is not sampled");
    trace::end(&begun, None);
    let parent = trace::from_headers(&headers(&[("traceparent", PARENT), ("tracestate", "a=1")])).unwrap();
    let within = Context::new().with_remote_span_context(parent);
    let child = tracing.begin(&within, SpanKind::Server, || ("child".into(), Vec::new()));
    trace::end(&child, None);
    tracing.flush().unwrap();
    let spans = collector.until(|spans| !spans.is_empty()).await.unwrap();
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((span.name.as_str(), span.state.as_str()), ("child", "a=1"));
    assert_eq!((span.trace.as_str(), span.parent.as_str()), (&PARENT[3..35], &PARENT[36..52]));
}

#[test]
fn a_collector_that_hangs_or_is_not_there_holds_nobody_up() {
    // Connections to it are made, and never answered.
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (endpoint, protocol) in [
        (hangs.local_addr().unwrap(), Protocol::Http),
        (hangs.local_addr().unwrap(), Protocol::Grpc),
        (gone, Protocol::Http),
        (gone, Protocol::Grpc),
    ] {
        let mut options = options(&format!("http://{endpoint}"), protocol, 1.0);
        // None of what follows waits for this.
        options.export.as_mut().unwrap().timeout = Duration::from_secs(3_600);
        let tracing = Tracing::start(&options).unwrap();
        // Many times as many as there is room for.
        for _ in 0..20_000 {
            trace::end(&tracing.begin(&Context::new(), SpanKind::Server, || ("s".into(), Vec::new())), None);
        }
        let error = tracing.shutdown(Duration::from_millis(50));
        assert!(error.is_err() || endpoint == gone, "{endpoint} takes no spans");
    }
}

/// It is started, and fails to, within runtimes.
#[tokio::test]
async fn wrong_options_are_told_with_their_remedy() {
    for (endpoint, protocol, expected) in [
        ("", Protocol::Http, "endpoint \"\" is no URL"),
        ("localhost", Protocol::Http, "begins with neither http:// nor https://"),
        ("localhost:4317", Protocol::Grpc, "write the collector's URL for grpc, as http://127.0.0.1:4317"),
        ("ftp://localhost", Protocol::Http, "write the collector's URL for http, as http://127.0.0.1:4318"),
        ("http://", Protocol::Http, "endpoint \"http://\" is"),
        ("http://me:secret@host", Protocol::Http, "say such by the variable OTEL_EXPORTER_OTLP_HEADERS"),
        ("http://host/?q", Protocol::Http, "is not the URL of a server"),
    ] {
        let options = options(endpoint, protocol, 1.0);
        let error = options.check().unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        assert_eq!(Tracing::start(&options).unwrap_err().to_string(), error);
    }
    for fine in ["http://host", "http://host:1/", "https://host/a", "http://[::1]:4318/v1/traces"] {
        options(fine, Protocol::Http, 1.0).check().unwrap();
    }
    for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let error = SamplingRate::try_from(wrong).unwrap_err().to_string();
        assert!(error.starts_with("samplingRate") && error.contains("from 0 to 1"), "{error}");
    }
    assert!("half".parse::<SamplingRate>().unwrap_err().to_string().contains("\"half\" is no number"));
    assert_eq!("0.25".parse::<SamplingRate>().unwrap().get(), 0.25);
    assert!("thrift".parse::<Protocol>().unwrap_err().to_string().contains("neither grpc nor http/protobuf"));
}
