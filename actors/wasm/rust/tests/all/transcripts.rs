//! Each module answers what its app's transcript says, and nothing else.

use pillion_sdk::testing::Host;
use pillion_sdk::{Reply, Result};
use pillion_transcripts::{App, Observed, Step, Transcript};

use crate::modules::{all, chain, compute, counter, echo, kv, order};

type Answer = fn(&str, &[u8], &mut Reply) -> Result<()>;

fn module(app: App) -> Answer {
    match app {
        App::Echo => echo::answer,
        App::Kv => kv::answer,
        App::Chain => chain::answer,
        App::Counter => counter::answer,
        App::Compute => compute::answer,
        App::Order => order::answer,
    }
}

fn play(answer: Answer, app: App) {
    let host = Host::new();
    let transcript = Transcript::stored(app).unwrap();
    let mut observed = Observed::new();
    for step in &transcript.steps {
        match step {
            Step::Store { store, value } => host.set(store, value),
            Step::Holds { holds, .. } => observed.holds(step, host.value(holds).as_deref()),
            Step::Reply { call, request, .. } | Step::Error { call, request, .. } => {
                match host.call(answer, call, request) {
                    Ok(reply) => observed.answer(step, Ok(&reply)),
                    Err(error) => observed.answer(step, Err(error.text())),
                }
            }
        }
    }
    let (outcome, expected) = (observed.outcome(), transcript.expected().outcome());
    if let Some(difference) = outcome.difference {
        panic!("{app}: {difference}");
    }
    assert_eq!(outcome.sha256, expected.sha256, "{app}");
}

#[test]
fn the_module_with_all_apps_answers_every_transcript() {
    App::ALL.into_iter().for_each(|app| play(all::answer, app));
}

#[test]
fn the_module_of_an_app_answers_its_transcript() {
    App::ALL.into_iter().for_each(|app| play(module(app), app));
}

#[test]
fn the_module_of_an_app_has_no_operation_of_another() {
    for app in App::ALL {
        for other in App::ALL.into_iter().filter(|other| *other != app) {
            for operation in other.operations() {
                let error = Host::new().call(module(app), operation, b"").unwrap_err();
                assert_eq!(error.text(), "bad dispatch", "{operation} in {app}");
            }
        }
        for fault in ["fault.trap", "fault.loop"] {
            assert_eq!(Host::new().call(module(app), fault, b"").unwrap_err().text(), "bad dispatch");
        }
    }
}

#[test]
fn a_denied_or_failed_call_comes_back_and_harms_no_later_one() {
    let host = Host::new();
    host.set("k", b"v");
    for answer in [all::answer as Answer, kv::answer] {
        host.fail("wascc:keyvalue", "Get", "the store is away");
        assert_eq!(host.call(answer, "kv.get", b"k").unwrap_err().text(), "the store is away");
        host.mend();
        host.deny("wascc:keyvalue");
        let error = host.call(answer, "kv.set", b"\x01\x00kw").unwrap_err();
        assert!(error.text().contains("do not grant wascc:keyvalue"), "{error}");
        host.mend();
        assert_eq!(host.call(answer, "kv.get", b"k").unwrap(), b"v");
    }
}
