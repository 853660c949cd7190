//! What is said of languages and engines.

use pillion_records::{Claim, Loading, Played, Portability};
use pillion_reports::{Verdict, Word, generate};

use crate::fixture::Fixture;

/// A run with the claim, and what came of one app per language and engine.
fn fixture(outcomes: &[(&str, &str, Played)]) -> Fixture {
    let mut fixture = Fixture::good();
    let claim = fixture.plan.claims[0].clone();
    fixture.plan.claims.push(Claim { id: "C7".into(), value: 1.0, ..claim });
    fixture.plan.portability = outcomes
        .iter()
        .map(|(language, engine, outcome)| Portability {
            language: (*language).into(),
            sha256: (*engine != "direct" && !matches!(outcome, Played::LeftOut { .. }))
                .then(|| "ab".repeat(32)),
            engine: (*engine).into(),
            version: (*engine == "node").then(|| "node 1.2.3".into()),
            app: "kv".into(),
            expected: "cd".repeat(32),
            outcome: outcome.clone(),
        })
        .collect();
    fixture
}

fn same() -> Played {
    Played::Same { steps: 9 }
}

fn different() -> Played {
    Played::Different { transcript: "ef".repeat(32), difference: "step 3 | went wrong".into() }
}

fn left_out() -> Played {
    Played::LeftOut { reason: "Go is missing: scripts/setup guests installs it".into() }
}

fn verdict(fixture: &Fixture, name: &str) -> Verdict {
    let summary = generate(&fixture.write(name)).unwrap();
    summary.verdicts.into_iter().find(|verdict| verdict.claim == "C7").unwrap()
}

#[test]
fn the_same_everywhere_supports_the_claim() {
    let found = verdict(&fixture(&[("rust", "host", same()), ("zig", "node", same())]), "c7-same");
    assert_eq!((found.verdict, found.estimate), (Word::Supported, Some(1.0)));
    assert!(found.finding.starts_with("2 of 2 transcripts"), "{}", found.finding);
}

#[test]
fn one_difference_refutes_it_and_one_of_a_native_app_does_not() {
    let found = verdict(&fixture(&[("rust", "host", same()), ("zig", "node", different())]), "c7-other");
    assert_eq!((found.verdict, found.estimate), (Word::Refuted, Some(0.5)));
    assert!(found.finding.ends_with("Different: zig on node."), "{}", found.finding);
    let found = verdict(&fixture(&[("rust", "host", same()), ("rust", "direct", different())]), "c7-native");
    assert_eq!((found.verdict, found.estimate), (Word::Supported, Some(1.0)));
}

#[test]
fn what_was_not_shown_is_the_condition() {
    let failed = Played::Failed { reason: "no answer".into() };
    let outcomes = [("rust", "host", same()), ("go", "host", left_out()), ("zig", "node", failed)];
    let found = verdict(&fixture(&outcomes), "c7-open");
    assert_eq!(found.verdict, Word::SupportedWithCondition);
    assert_eq!(found.condition.as_deref(), Some("not shown for go on host; zig on node"));
    // Of the two that were tried.
    assert_eq!(found.estimate, Some(0.5));
    let nothing = verdict(&fixture(&[("go", "host", left_out())]), "c7-nothing");
    assert_eq!(nothing.verdict, Word::Inconclusive);
}

#[test]
fn languages_have_a_section_with_engines_speed_and_loading() {
    let mut fixture =
        fixture(&[("rust", "host", same()), ("zig", "node", different()), ("go", "host", left_out())]);
    // Exactly twice the host, and ten times the native app.
    let lane = fixture.plan.lanes.iter_mut().find(|lane| lane.name == "wapc-crate").unwrap();
    lane.language = Some("zig".into());
    fixture.plan.loading = vec![Loading {
        language: "zig".into(),
        compiler: "winch".into(),
        compiled_ns: vec![3_000_000, 1_000_000, 2_000_000],
        cached_ns: vec![400_000; 3],
        first_call_ns: vec![50_000; 3],
    }];
    let directory = fixture.write("languages");
    generate(&directory).unwrap();
    let read = |name: &str| std::fs::read_to_string(directory.join(name)).unwrap();
    let (html, markdown) = (read("report.html"), read("report.md"));
    assert!(html.contains(r#"<section id="languages">"#));
    assert!(html.contains("node 1.2.3"));
    for text in [
        "| language | host | node |",
        "| rust | same, 1 of 1 | – |",
        "| zig | – | different, 0 of 1 |",
        "| go | left out | – |",
        // What it says cannot break the table.
        "| zig on node | kv | different | step 3 \\| went wrong |",
        "| kv-get 16 B, memory, same core | zig | 2.00 × (2.00–2.00) | 10.0 × (10.0–10.0) |",
        "| zig, winch | 2.00 ms (1.00 ms–3.00 ms) | 400 µs (400 µs–400 µs) | 50.0 µs (50.0 µs–50.0 µs) | 3 |",
    ] {
        assert!(markdown.contains(text), "{text} is not in\n{markdown}");
    }
}

#[test]
fn a_run_of_before_has_no_such_section() {
    let directory = Fixture::with_rounds(2).write("no-languages");
    generate(&directory).unwrap();
    let html = std::fs::read_to_string(directory.join("report.html")).unwrap();
    assert!(!html.contains(r#"id="languages""#));
}
