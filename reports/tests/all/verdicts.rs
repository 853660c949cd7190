//! What is said of the claims, by what the figures are.

use pillion_records::{Outcome, Placement};
use pillion_reports::{Verdict, Word, generate, results};

use crate::fixture::{Fixture, small_read};

fn verdict(fixture: &Fixture, name: &str, claim: &str) -> Verdict {
    let summary = generate(&fixture.write(name)).unwrap();
    summary.verdicts.into_iter().find(|verdict| verdict.claim == claim).unwrap()
}

#[test]
fn some_cells_clear_a_decade_and_the_condition_says_which() {
    let found = verdict(&Fixture::good(), "c1-condition", "C1");
    assert_eq!(found.verdict, Word::SupportedWithCondition);
    // Redis takes 20 µs on either side: 30 µs against 20.5 µs is the smallest ratio.
    assert!((found.estimate.unwrap() - 30_000.0 / 20_500.0).abs() < 1e-3, "{:?}", found.estimate);
    assert_eq!(found.condition.as_deref(), Some("only with memory"));
    assert!(found.for_verdicts);
    let best = found.parts.iter().find(|part| part.name == "kv-get 16 B, memory, same core").unwrap();
    assert_eq!((best.against.as_str(), best.estimate, best.word), ("sidecar-grpc-uds", 20.0, "clears"));
    assert_eq!(best.decades, Some(1.30103));
    assert!(found.parts.iter().all(|part| !part.name.contains("0 calls")));
}

#[test]
fn all_cells_clear() {
    let mut fixture = Fixture::good();
    fixture.blocks.retain(|block| block.cell.provider == "memory");
    for cells in fixture.plan.cells.values_mut() {
        cells.retain(|cell| cell.provider == "memory");
    }
    let found = verdict(&fixture, "c1-supported", "C1");
    assert_eq!((found.verdict, found.condition), (Word::Supported, None));
}

#[test]
fn no_cell_clears() {
    let found = verdict(&Fixture::good().scale("sidecar-grpc-uds", |_| 0.08), "c1-refuted", "C1");
    assert_eq!(found.verdict, Word::Refuted);
}

#[test]
fn an_interval_across_the_threshold_decides_nothing() {
    // The best sidecar is now about ten times the host, give or take a factor of three a round.
    let noisy = |round: u32| if round.is_multiple_of(2) { 0.5 / 3.0 } else { 0.5 * 3.0 };
    let mut fixture = Fixture::good();
    for lane in ["sidecar-http-tcp", "sidecar-http-uds", "sidecar-grpc-tcp"] {
        fixture = fixture.scale(lane, |_| 100.0);
    }
    fixture = fixture.scale("sidecar-grpc-uds", noisy);
    let only = small_read("memory", Placement::SameCore);
    fixture.blocks.retain(|block| block.cell == only);
    let found = verdict(&fixture, "c1-straddle", "C1");
    assert_eq!(found.verdict, Word::Inconclusive);
    assert!(found.low.unwrap() < 10.0 && found.high.unwrap() > 10.0);
}

#[test]
fn a_verdict_that_hangs_on_flagged_blocks_is_none() {
    // In the flagged rounds the sidecar is slow; without them it is within a decade of the host.
    let mut fixture = Fixture::good();
    let only = small_read("memory", Placement::SameCore);
    fixture.blocks.retain(|block| block.cell == only);
    for lane in ["sidecar-http-tcp", "sidecar-http-uds", "sidecar-grpc-tcp", "sidecar-grpc-uds"] {
        fixture = fixture.scale(lane, |round| if round < 2 { 0.2 } else { 4.0 });
    }
    for block in fixture.blocks.iter_mut().filter(|block| block.round >= 2) {
        block.noise.flags = vec!["steal".into()];
    }
    let found = verdict(&fixture, "c1-flagged", "C1");
    assert_ne!(found.verdict_without_flagged, Word::Supported);
    assert_eq!(found.verdict, Word::Inconclusive);
}

#[test]
fn a_void_session_has_no_verdict() {
    let fixture = Fixture::good().scale("aa", |_| 1.2);
    let dir = fixture.write("void");
    let summary = generate(&dir).unwrap();
    assert!(summary.void);
    assert!(summary.verdicts.iter().all(|verdict| verdict.verdict == Word::None && !verdict.for_verdicts));
    let aa = results(&dir).unwrap().aa.unwrap();
    assert_eq!((aa.ratio, aa.contains_one), (1.2, false));
    for file in ["report.html", "report.md"] {
        assert!(std::fs::read_to_string(dir.join(file)).unwrap().contains("Void:"), "{file}");
    }
}

#[test]
fn a_quick_run_shows_estimates_but_not_for_verdicts() {
    let mut fixture = Fixture::with_rounds(2);
    fixture.plan.quick = true;
    let dir = fixture.write("quick");
    let summary = generate(&dir).unwrap();
    assert!(summary.quick);
    assert!(summary.verdicts.iter().all(|verdict| !verdict.for_verdicts && verdict.estimate.is_some()));
    assert!(
        std::fs::read_to_string(dir.join("report.md")).unwrap().contains("Not for verdicts: a quick run")
    );
}

#[test]
fn without_an_a_a_lane_nothing_is_for_verdicts() {
    let mut fixture = Fixture::good();
    fixture.blocks.retain(|block| block.entry != "aa");
    assert!(!verdict(&fixture, "no-aa", "C1").for_verdicts);
}

#[test]
fn a_host_that_answers_wrongly_decides_nothing() {
    let mut fixture = Fixture::good();
    let block = fixture.blocks.iter_mut().find(|block| block.entry == "host").unwrap();
    block.outcome = Outcome::Wrong { reason: "differs".into() };
    let found = verdict(&fixture, "c1-wrong-host", "C1");
    assert_eq!((found.verdict, found.estimate), (Word::Inconclusive, None));
}

#[test]
fn a_module_between_the_two_limits_is_supported_on_condition() {
    let found = verdict(&Fixture::with_rounds(2), "c3-condition", "C3");
    assert_eq!(found.verdict, Word::SupportedWithCondition);
    assert_eq!((found.estimate, found.low, found.high), (Some(0.0), Some(0.0), Some(1.0)));
    assert!(found.condition.unwrap().contains("as built, below 2·2²⁰ bytes"));
}

#[test]
fn a_small_module_supports_and_a_large_one_refutes() {
    for (raw, stripped, expected) in
        [(400_000, 300_000, Word::Supported), (9_000_000, 8_000_000, Word::Refuted)]
    {
        let mut fixture = Fixture::with_rounds(2);
        fixture.plan.artifacts[0].raw = raw;
        fixture.plan.artifacts[0].stripped = stripped;
        assert_eq!(verdict(&fixture, &format!("c3-{raw}"), "C3").verdict, expected);
    }
}
