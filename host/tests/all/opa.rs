//! Open Policy Agent's policies as the authorizer.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use pillion_codec::GetRequest;
use pillion_host::dispatch::Provider;
use pillion_host::identity::{ActorClaims, Claims, KeyPair};
use pillion_host::policy::{Authorizer, Decision, Invocation, Opa, OpaError};
use pillion_host::{ActorRef, CallFailure, Host, HostConfig};

use crate::guests::{Author, caps, keyvalue};
use crate::provider::Fake;

const READ_ONLY: &str = r#"
package pillion

default can_load := false

can_load if "wascc:keyvalue" in input.claims.wascap.caps

can_invoke := {"allow": input.invocation.operation in {"Get", "KeyExists"}, "reason": reason}

reason := sprintf("%s of %s is not for reading", [input.invocation.operation, input.invocation.binding])
"#;

fn host(author: &Author, opa: Opa) -> Host {
    author.host(HostConfig { authorizer: Some(Arc::new(opa)), ..HostConfig::default() })
}

fn loaded(opa: Opa) -> (Host, ActorRef, Arc<Fake>) {
    let (author, provider) = (Author::new(), Fake::map());
    let host = host(&author, opa);
    let signed = author.sign(&KeyPair::new_module(), &keyvalue(), caps(&["wascc:keyvalue"]));
    let actor = host.load(&signed).expect("it may");
    host.bind(&actor, "default", Provider::key_value(Arc::clone(&provider))).expect("granted");
    (host, actor, provider)
}

fn call(host: &Host, actor: &ActorRef, operation: &str) -> Result<Vec<u8>, CallFailure> {
    let (mut request, mut response) = (Vec::new(), Vec::new());
    GetRequest { key: "k" }.encode(&mut request);
    host.call_into(actor, operation, &request, &mut response).map(|()| response)
}

fn denied(opa: Opa) -> String {
    let (host, actor, provider) = loaded(opa);
    let failure = call(&host, &actor, "Get").expect_err("denied").to_string();
    assert_eq!(provider.counters.total(), 0);
    failure
}

fn rego(rego: &str) -> Opa {
    Opa::from_rego("test.rego", rego).expect("a policy")
}

#[test]
fn a_policy_decides_with_its_own_reason() {
    let opa = rego(READ_ONLY);
    assert!(opa.cacheable());
    let (host, actor, provider) = loaded(opa);
    for _ in 0..3 {
        call(&host, &actor, "Get").expect("allowed");
        let failure = call(&host, &actor, "Del").expect_err("denied");
        assert_eq!(failure.to_string(), "denied by policy: Del of default is not for reading");
    }
    assert_eq!(provider.counters.total(), 3);

    let author = Author::new();
    let host = self::host(&author, rego(READ_ONLY));
    let error = host.load(&author.sign(&KeyPair::new_module(), &keyvalue(), ActorClaims::default()));
    let error = error.expect_err("it may not").to_string();
    assert!(error.contains("denied by policy: data.pillion.can_load is false"), "{error}");
}

#[test]
fn whatever_is_not_allowed_is_denied() {
    let load = "package pillion\ndefault can_load := true\n";
    for (rule, expected) in [
        ("can_invoke if input.nothing == 1", "data.pillion.can_invoke is undefined for it"),
        ("default can_invoke := false", "data.pillion.can_invoke is false"),
        ("can_invoke := {\"allow\": false}", "data.pillion.can_invoke says no"),
        ("can_invoke := {\"reason\": \"because\"}", "because"),
        ("can_invoke := {\"allow\": \"true\"}", "data.pillion.can_invoke says no"),
        ("can_invoke := \"true\"", "neither true, false nor an object: \"true\""),
        ("can_invoke := 1 if true\ncan_invoke := 2 if true", "data.pillion.can_invoke failed"),
        (
            "can_invoke if count([1 | some a in numbers.range(1, 4000); some b in numbers.range(1, 4000); a == b]) > 0",
            "data.pillion.can_invoke failed",
        ),
    ] {
        let failure = denied(rego(&format!("{load}{rule}")));
        assert!(failure.starts_with("denied by policy: ") && failure.contains(expected), "{rule}: {failure}");
    }
}

#[test]
fn what_depends_on_the_time_is_asked_each_time() {
    let opa = rego("package pillion\ndefault can_load := true\ncan_invoke if time.now_ns() > 0");
    assert!(!opa.cacheable());
    let (host, actor, _) = loaded(opa);
    call(&host, &actor, "Get").expect("allowed");
}

#[test]
fn only_what_is_fickle_is_asked_each_time() {
    let head = "package pillion\ndefault can_load := true\n";
    for (rule, cacheable) in [
        ("can_invoke if data.time.limit != input.claims.runtime.start", true),
        ("runtime := {\"a\": 1}\ncan_invoke if runtime.a == 1", true),
        ("can_invoke if sprintf(\"%d\", [time.now_ns()]) != \"\"", false),
        ("can_invoke if rand.intn(\"x\", 5) != 7", false),
    ] {
        assert_eq!(rego(&format!("{head}{rule}")).cacheable(), cacheable, "{rule}");
    }
}

#[test]
fn what_a_policy_fails_to_decide_is_no_decision() {
    let opa = rego(
        "package pillion\ndefault can_load := true\ncan_invoke := 1 if input.invocation.operation == \"Get\"\n\
         can_invoke := 2 if input.claims",
    );
    let claims = Claims::new(&KeyPair::new_account(), &KeyPair::new_module(), ActorClaims::default());
    let asked = |operation| {
        opa.can_invoke(&claims, &Invocation { binding: "", namespace: "wascc:keyvalue", operation })
    };
    assert!(matches!(asked("Get"), Decision::Fail(_)), "{:?}", asked("Get"));
    assert!(matches!(asked("Set"), Decision::Deny(_)), "{:?}", asked("Set"));
}

#[test]
fn policies_and_data_come_from_files_directories_and_bundles() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let policy = "package pillion\ndefault can_load := true\n\
                  can_invoke if input.invocation.operation in data.allowed.operations";
    fs::create_dir_all(path("policies/allowed")).expect("a directory");
    fs::write(path("policies/pillion.rego"), policy).expect("written");
    fs::write(path("policies/pillion_test.rego"), "not looked at").expect("written");
    fs::write(path("policies/README.md"), "not looked at").expect("written");
    fs::write(path("policies/allowed/data.yaml"), "operations: [Get]").expect("written");
    fs::write(path("data.json"), r#"{"allowed": {"operations": ["Get"]}}"#).expect("written");
    let mut bundle = tar::Builder::new(flate2::write::GzEncoder::new(
        fs::File::create(path("bundle.tar.gz")).expect("a file"),
        flate2::Compression::fast(),
    ));
    bundle.append_dir_all(".", path("policies")).expect("added");
    bundle.into_inner().expect("finished").finish().expect("finished");

    for paths in [vec!["policies"], vec!["policies/pillion.rego", "data.json"], vec!["bundle.tar.gz"]] {
        let opa =
            Opa::from_paths(&paths.iter().map(|name| path(name)).collect::<Vec<_>>()).expect("policies");
        let (host, actor, _) = loaded(opa);
        call(&host, &actor, "Get").expect("allowed");
        call(&host, &actor, "Del").expect_err("denied");
    }
}

#[test]
fn what_is_wrong_with_a_policy_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| -> PathBuf {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("written");
        path
    };
    let error = |path: PathBuf| Opa::from_paths(&[path]).expect_err("refused").to_string();

    let text = error(write("broken.rego", "package pillion\n\ncan_load := {"));
    assert!(text.contains("broken.rego:3"), "{text}");
    let text = error(write("half.rego", "package pillion\ndefault can_load := true"));
    assert!(
        text.contains("do not define data.pillion.can_invoke; write, say, `default can_invoke := true`"),
        "{text}"
    );
    let text = error(write("data.json", "{"));
    assert!(text.contains("data.json: "), "{text}");
    let text = error(write("policy.txt", ""));
    assert!(text.contains("neither a policy (.rego)"), "{text}");
    let text = error(write("bundle.tar.gz", "no archive"));
    assert!(text.contains("cannot be read"), "{text}");
    let missing = Opa::from_paths(&[directory.path().join("missing.rego")]).err();
    assert!(matches!(missing, Some(OpaError::Read { .. })), "{missing:?}");
}
