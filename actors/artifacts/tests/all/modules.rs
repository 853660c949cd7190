//! The module of each app answers what its transcript says, and holds no more than it needs.

use pillion_artifacts::{ALL, Module};
use pillion_transcripts::{App, Observed, Step, Transcript};

use crate::host::Guest;

fn modules() -> Vec<Module> {
    pillion_artifacts::modules(pillion_artifacts::Language::Rust).unwrap()
}

fn play(module: &Module, app: App) {
    let mut guest = Guest::new(&std::fs::read(&module.path).unwrap());
    let transcript = Transcript::stored(app).unwrap();
    let mut observed = Observed::new();
    for step in &transcript.steps {
        match step {
            Step::Store { store, value } => {
                guest.store.data_mut().values.insert(store.clone(), value.clone());
            }
            Step::Holds { holds, .. } => {
                observed.holds(step, guest.store.data().values.get(holds).map(Vec::as_slice));
            }
            Step::Reply { call, request, .. } | Step::Error { call, request, .. } => {
                let answer = guest.ask(call, request);
                observed.answer(step, answer.as_deref().map_err(String::as_str));
            }
        }
    }
    let outcome = observed.outcome();
    if let Some(difference) = outcome.difference {
        panic!("{app} by the module {}: {difference}", module.app);
    }
    assert_eq!(outcome.sha256, transcript.expected().outcome().sha256, "{app} by the module {}", module.app);
}

#[test]
fn there_is_a_module_for_each_app_and_one_for_all() {
    let modules = modules();
    let mut apps: Vec<_> = modules.iter().map(|module| module.app.as_str()).collect();
    let mut expected: Vec<_> = App::ALL.into_iter().map(App::name).chain([ALL]).collect();
    apps.sort_unstable();
    expected.sort_unstable();
    assert_eq!(apps, expected);
    assert!(modules.iter().all(|module| module.language == pillion_artifacts::Language::Rust));
    let guest = pillion_artifacts::guest().unwrap();
    assert!(modules.iter().any(|module| module.app == ALL && module.path == guest));
}

#[test]
fn every_module_answers_its_transcripts() {
    for module in modules() {
        App::ALL
            .into_iter()
            .filter(|app| [ALL, app.name()].contains(&module.app.as_str()))
            .for_each(|app| play(&module, app));
    }
}

#[test]
fn a_module_has_the_operations_of_its_app_alone() {
    for module in modules().into_iter().filter(|module| module.app != ALL) {
        let mut guest = Guest::new(&std::fs::read(&module.path).unwrap());
        let others = App::ALL.into_iter().filter(|app| app.name() != module.app);
        let others = others.flat_map(App::operations).copied();
        for operation in others.chain(["fault.trap", "fault.loop"]) {
            assert_eq!(guest.ask(operation, b""), Err("bad dispatch".to_owned()), "{}", module.app);
        }
        assert_eq!(guest.ask("HealthRequest", b""), Ok(Vec::new()), "{}", module.app);
    }
}

#[test]
fn the_example_of_the_sdk_is_an_actor() {
    let mut guest = Guest::new(&std::fs::read(pillion_artifacts::sdk_example("visits").unwrap()).unwrap());
    guest.store.data_mut().values.insert("/home".to_owned(), b"3".to_vec());
    assert_eq!(guest.ask("visits", b"/home"), Ok(b"3".to_vec()));
    assert_eq!(guest.ask("visits", b"/none"), Err("nobody visited the page".to_owned()));
    assert_eq!(guest.ask("HealthRequest", b""), Ok(Vec::new()));
    assert_eq!(guest.ask("nothing.such", b""), Err("bad dispatch".to_owned()));
    let error = guest.ask("DeliverMessage", b"\x80").unwrap_err();
    assert_eq!(error, "the payload of DeliverMessage is malformed: there is no field subject");
}

/// With the names of functions. A step beyond it is to be noticed, as when formatting or JSON gets into a module that
/// needs none.
#[test]
fn modules_are_small() {
    let most = |app: &str| match app {
        "echo" => 24 * 1024,
        "chain" | "compute" | "kv" => 38 * 1024,
        "counter" => 66 * 1024,
        "order" => 134 * 1024,
        _ => 174 * 1024,
    };
    for Module { app, path, .. } in modules() {
        let bytes = std::fs::metadata(path).unwrap().len();
        assert!(bytes <= most(&app), "{app}: {bytes} bytes");
    }
}
