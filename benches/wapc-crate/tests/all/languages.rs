//! One app in five languages: the same transcripts from every module, engine and coupling; and what goes wrong goes wrong
//! alike everywhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pillion_artifacts::{Language, Module, modules};
use pillion_capabilities::{KeyValue, Memory};
use pillion_harness::job::{Job, Store};
use pillion_harness::runner::{Setup, play};
use pillion_host::identity::{self, ActorClaims, Claims, KeyPair, TrustedIssuers};
use pillion_host::{ActorRef, CallFailure, Compiler, Host, HostConfig, Limits};
use pillion_runners::OpenHost;
use pillion_transcripts::{App, Transcript};
use pillion_wapc_crate::OpenPublished;
use tokio::runtime::Runtime;

use crate::lanes::{Lanes, job};

/// The modules of a language, and the apps in each. Where its toolchain is missing on a user's machine, that is said.
fn all_modules() -> Vec<(Module, Vec<App>)> {
    let mut all = Vec::new();
    for language in Language::ALL {
        let built = match modules(language) {
            Ok(built) => built,
            Err(pillion_artifacts::Error::Missing { reason, .. }) if std::env::var_os("CI").is_none() => {
                eprintln!("SKIPPED: {language}: {reason}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let apps: Vec<App> = built.iter().filter_map(|module| module.app.parse().ok()).collect();
        for module in built {
            let own = module.app.parse().map_or_else(|_| apps.clone(), |app| vec![app]);
            all.push((module, own));
        }
    }
    all
}

#[test]
fn every_language_has_every_app() {
    for language in Language::ALL {
        let of_language = all_modules().into_iter().filter(|(module, _)| module.language == language);
        let names: Vec<String> = of_language.map(|(module, _)| module.app).collect();
        // One whose toolchain is missing was told.
        if !names.is_empty() {
            assert_eq!(names, ["all", "echo", "kv", "chain", "counter", "compute", "order"], "{language}");
        }
    }
}

/// Plays the transcripts of a module's apps on what `setup` opens, and says which differ.
fn differences(setup: &impl Setup, engine: &str, job: &Job, module: &Module, apps: &[App]) -> Vec<String> {
    let runtime = Runtime::new().unwrap();
    let mut differences = Vec::new();
    for &app in apps {
        let transcript = Transcript::stored(app).unwrap();
        let outcome = runtime.block_on(async {
            let opened =
                setup.open(job, "memory").await.unwrap_or_else(|error| panic!("{module:?}: {error}"));
            play(&opened, &transcript).await.unwrap()
        });
        let expected = transcript.expected().outcome();
        // The hash alone must tell as much as the comparison.
        assert_eq!(outcome.difference.is_none(), outcome.sha256 == expected.sha256, "{module:?} {app}");
        let named =
            |difference| format!("{} {} {app} on {engine}: {difference}", module.language, module.app);
        differences.extend(outcome.difference.map(named));
    }
    differences
}

#[test]
fn every_module_answers_its_transcripts_on_every_engine() {
    let folder = tempfile::tempdir().unwrap();
    let mut different = Vec::new();
    for (module, apps) in all_modules() {
        let mut job = job(folder.path(), &module.path);
        job.cache = cache();
        job.stores = vec![Store { provider: "memory".to_owned(), address: String::new() }];
        different.extend(differences(&OpenHost, "cranelift", &job, &module, &apps));
        // The module of all apps holds the code of the others.
        if module.app == "all" {
            different.extend(differences(&OpenPublished, "wapc-crate", &job, &module, &apps));
            for compiler in [Compiler::Winch, Compiler::Pulley] {
                job.compiler = Some(compiler.name().to_owned());
                different.extend(differences(&OpenHost, compiler.name(), &job, &module, &apps));
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

#[test]
fn every_coupling_answers_the_transcripts() {
    let lanes = Lanes::open();
    let mut different = Vec::new();
    // Shared memory refuses a call of a mebibyte by its size, and says so.
    for lane in lanes.all.iter().filter(|lane| !lane.name.starts_with("memory over")) {
        for app in App::ALL {
            let outcome = lanes.runtime.block_on(lane.play(&Transcript::stored(app).unwrap()));
            // Dapr's state API over HTTP takes JSON, which has no bytes: nothing else may differ there.
            let json = app == App::Kv && lane.name.starts_with("http");
            match outcome.difference {
                Some(told) if json => assert!(told.contains("is not text, which JSON needs"), "{told}"),
                None if json => panic!("{} carries bytes by now: compare it with the others", lane.name),
                told => different.extend(told.map(|told| format!("{} {app}: {told}", lane.name))),
            }
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

/// Compiled modules, which outlive these tests: a compiler built without optimization takes many seconds for one of Go's.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("modules")
}

/// A host with one actor, which may ask for `caps` and for no more than a second.
fn host(module: &Module, caps: &[&str]) -> (Host, ActorRef) {
    let (account, own) = (KeyPair::new_account(), KeyPair::new_module());
    let caps = caps.iter().map(|cap| (*cap).to_owned()).collect();
    let actor = ActorClaims { name: Some("guest".into()), caps, ..ActorClaims::default() };
    let bare = std::fs::read(&module.path).unwrap();
    let signed = identity::sign(&bare, Claims::new(&account, &own, actor), &account).unwrap();
    let config = HostConfig {
        trust: TrustedIssuers::from([account.public_key()]).into(),
        cache: Some(cache()),
        limits: Limits { deadline: Duration::from_secs(1), ..Limits::default() },
        ..HostConfig::default()
    };
    let host = Host::new(config).unwrap();
    let actor = host.load(&signed).unwrap();
    (host, actor)
}

#[test]
fn what_goes_wrong_ends_in_the_right_error_and_the_next_request_is_served() {
    let runtime = Runtime::new().unwrap();
    for (module, _) in all_modules().into_iter().filter(|(module, _)| module.app == "all") {
        let language = module.language;
        let (host, actor) = host(&module, &["wascc:keyvalue"]);
        let store: Arc<dyn KeyValue> = Arc::new(Memory::new());
        host.bind(&actor, "default", Arc::clone(&store)).unwrap();
        let call =
            |operation: &str, request: &[u8]| runtime.block_on(host.call(&actor, operation, request).wait());
        let served = |after: &str| {
            let reply = call("echo", b"still there");
            assert_eq!(reply.as_deref().unwrap(), b"still there", "{language} after {after}");
        };
        let trapped = call("fault.trap", b"").unwrap_err();
        assert!(matches!(trapped, CallFailure::Trap(_)), "{language}: {trapped}");
        served("a trap");
        let stopped = call("fault.loop", b"").unwrap_err();
        assert!(matches!(stopped, CallFailure::Deadline(_)), "{language}: {stopped}");
        served("an endless loop");
        let missing = call("kv.get", b"absent").unwrap_err();
        assert_eq!(missing.to_string(), "key absent is not there; set it first", "{language}");
        served("a missing key");
        assert_eq!(store.counters().total(), 1);
    }
}

#[test]
fn a_capability_that_is_not_granted_is_denied_in_every_language() {
    let runtime = Runtime::new().unwrap();
    for (module, _) in all_modules().into_iter().filter(|(module, _)| module.app == "all") {
        let language = module.language;
        // Granted, and not bound; then not granted, and so not to be bound.
        let (host, actor) = host(&module, &["wascc:keyvalue"]);
        let unbound = runtime.block_on(host.call(&actor, "kv.get", b"a").wait()).unwrap_err();
        assert!(
            matches!(&unbound, CallFailure::Guest(text) if text.contains("wascc:keyvalue")),
            "{language}: {unbound}"
        );
        let (host, actor) = self::host(&module, &["wascc:messaging"]);
        let store: Arc<dyn KeyValue> = Arc::new(Memory::new());
        assert!(host.bind(&actor, "default", Arc::clone(&store)).is_err(), "{language}");
        for request in ["kv.get", "chain", "counter", "order"] {
            let bytes: &[u8] = match request {
                "chain" => b"\x01\x00\x00\x00a",
                "counter" => b"GET /counter/a HTTP/1.1\r\n\r\n",
                "order" => br#"{"order":"o","customer":"c","sku":"s","quantity":1}"#,
                _ => b"a",
            };
            let denied = runtime.block_on(host.call(&actor, request, bytes).wait()).unwrap_err();
            assert!(
                matches!(&denied, CallFailure::Guest(text) if text.contains("wascc:keyvalue")),
                "{language} {request}: {denied}"
            );
            let reply = runtime.block_on(host.call(&actor, "echo", b"on").wait());
            assert_eq!(reply.as_deref().unwrap(), b"on", "{language}");
        }
        assert_eq!(store.counters().total(), 0, "{language}");
    }
}
