//! What is said of the claims, by what the figures are.

use pillion_records::{Cell, Outcome, Placement};
use pillion_reports::{Verdict, Word, generate, results};

use crate::fixture::{Fixture, SIDECARS, small_read};

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
    assert_eq!(found.condition.as_deref(), Some("all but redis"));
    let short = "Falling short of 10.0 ×: kv-get 16 B, redis, same core (1.46).";
    assert!(found.finding.ends_with(short), "{}", found.finding);
    assert!(found.for_verdicts);
    let best = found.parts.iter().find(|part| part.name == "kv-get 16 B, memory, same core").unwrap();
    assert_eq!((best.against.as_str(), best.estimate, best.word), ("sidecar-grpc-uds", 20.0, "clears"));
    assert_eq!(best.decades, Some(1.30103));
    let chains: Vec<&str> =
        found.parts.iter().map(|part| part.name.as_str()).filter(|name| name.contains("call")).collect();
    assert_eq!(chains, ["chain 16 B, 1 call, memory, same core"]);
}

#[test]
fn the_limit_of_the_architecture_is_told_and_is_not_the_best_sidecar() {
    let mut fixture = Fixture::good();
    let limit = fixture.plan.lanes.iter_mut().find(|lane| lane.name == "sidecar-grpc-uds").unwrap();
    limit.limit = true;
    let found = verdict(&fixture, "c1-limit", "C1");
    let best = found.parts.iter().find(|part| part.name == "kv-get 16 B, memory, same core").unwrap();
    // Twice the time of the limit.
    assert_eq!((best.against.as_str(), best.estimate), ("sidecar-http-uds", 40.0));
    let (_, told) = found.finding.split_once(" Not judged, ").unwrap();
    assert!(told.contains("(sidecar-grpc-uds), from 1.46"), "{told}");
    let usual = verdict(&Fixture::good(), "c1-no-limit", "C1");
    assert!(!usual.finding.contains("Not judged"), "{}", usual.finding);
}

#[test]
fn a_chain_is_judged_at_its_least_number_of_calls() {
    let mut fixture = Fixture::good();
    fixture.blocks.retain(|block| block.cell.calls != Some(1));
    let found = verdict(&fixture, "c1-chain", "C1");
    let chains = found.parts.iter().filter(|part| part.name.contains("call"));
    assert_eq!(
        chains.map(|part| part.name.as_str()).collect::<Vec<_>>(),
        ["chain 16 B, 4 calls, memory, same core"]
    );
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
    assert_eq!((found.verdict, found.parts[0].word), (Word::Inconclusive, "straddles"));
    assert!(found.low.unwrap() < 10.0 && found.high.unwrap() > 10.0);
}

#[test]
fn an_interval_beyond_the_threshold_may_fail_the_correction() {
    // Twice the threshold, with a p value of about 0.03 in each of three cells.
    let noisy = |round: u32| if round.is_multiple_of(2) { 0.596 } else { 1.0 / 0.596 };
    let mut fixture = Fixture::good();
    for lane in SIDECARS {
        fixture = fixture.scale(lane, |round| if lane == "sidecar-grpc-uds" { noisy(round) } else { 100.0 });
    }
    fixture.blocks.retain(|block| {
        let cell = &block.cell;
        cell.provider == "memory"
            && cell.placement == Placement::SameCore
            && cell.payload == 16
            && cell.calls.is_none_or(|calls| calls == 1)
    });
    let found = verdict(&fixture, "c1-undecided", "C1");
    assert_eq!((found.verdict, found.parts.len()), (Word::Inconclusive, 3));
    for part in &found.parts {
        assert_eq!(part.word, "undecided", "{part:?}");
        assert!(
            part.low.unwrap() > 10.0 && part.p.unwrap() < 0.05 && part.p_holm.unwrap() > 0.05,
            "{part:?}"
        );
    }
    assert!(found.reason.contains("Beyond the threshold alone, but not decided"), "{}", found.reason);
}

#[test]
fn a_verdict_that_hangs_on_flagged_blocks_is_none() {
    // Twenty times the host in the flagged rounds, nine times in the others: over all of them more than a
    // decade.
    let mut fixture = Fixture::with_rounds(10).flagged_from(3);
    let only = small_read("memory", Placement::SameCore);
    fixture.blocks.retain(|block| block.cell == only);
    for lane in SIDECARS {
        fixture = fixture.scale(lane, |round| if round < 3 { 0.45 } else { 1.0 });
    }
    let found = verdict(&fixture, "c1-flagged", "C1");
    assert!(found.low.unwrap() > 10.0, "{found:?}");
    assert_eq!((found.verdict, found.verdict_without_flagged), (Word::Inconclusive, Word::Refuted));
    assert_eq!((found.condition, found.parts[0].word), (None, "unsteady"));
    let why = "With every block the figures say supported, without flagged blocks refuted: a verdict must hold both";
    assert!(found.reason.starts_with(why), "{}", found.reason);
}

#[test]
fn a_cell_that_hangs_on_flagged_blocks_supports_nothing() {
    // The word is the same either way, but not in the writing cell.
    let set = |cell: &Cell| cell.workload == "kv-set";
    let mut fixture = Fixture::with_rounds(10).flagged_from(3);
    for lane in SIDECARS {
        fixture = fixture.scale_in(lane, set, |round| if round < 3 { 0.45 } else { 1.0 });
    }
    let found = verdict(&fixture, "c1-unsteady", "C1");
    assert_eq!(found.verdict, Word::SupportedWithCondition);
    assert_eq!(found.verdict_without_flagged, Word::SupportedWithCondition);
    assert_eq!(found.condition.as_deref(), Some("all but memory, kv-set; redis, kv-get"));
    assert!(
        found.reason.contains("Open, for flagged blocks decide: kv-set 16 B, memory, same core."),
        "{found:?}"
    );

    // Where no other cell clears, nothing is left to support it.
    fixture.blocks.retain(|block| set(&block.cell) || block.cell.provider == "redis");
    for lane in SIDECARS {
        fixture = fixture.scale_in(
            lane,
            |cell| cell.provider == "redis",
            |round| if round < 3 { 10.0 } else { 1.0 },
        );
    }
    let found = verdict(&fixture, "c1-only-unsteady", "C1");
    assert_eq!((found.verdict, found.condition), (Word::Inconclusive, None));
    assert!(found.parts.iter().all(|part| part.word != "clears"), "{:?}", found.parts);
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
fn small_modules_support_and_large_ones_refute_where_there_are_enough() {
    for (raw, stripped, modules, expected) in [
        (400_000, 300_000, 3, Word::Supported),
        (9_000_000, 8_000_000, 3, Word::Refuted),
        (400_000, 300_000, 1, Word::SupportedWithCondition),
        (9_000_000, 8_000_000, 1, Word::Inconclusive),
    ] {
        let mut fixture = Fixture::with_rounds(2);
        let guest = &mut fixture.plan.artifacts[0];
        (guest.raw, guest.stripped) = (raw, stripped);
        let guest = guest.clone();
        fixture.plan.artifacts.extend(vec![guest; modules - 1]);
        let found = verdict(&fixture, &format!("c3-{raw}-{modules}"), "C3");
        assert_eq!(found.verdict, expected, "{modules} of {raw} bytes");
        if modules == 3 {
            let above = if raw > 2_000_000 { "above: guest (Rust) 9.00 MB" } else { "none is above" };
            let smallest = found.finding.contains("the smallest is guest (Rust) ");
            assert!(smallest && found.finding.contains(above), "{}", found.finding);
        }
        assert!(
            found.finding.contains("Of 11 published waSCC modules of the time 4 are below"),
            "{}",
            found.finding
        );
    }
}

#[test]
fn one_module_of_our_own_is_named_as_the_condition() {
    let mut fixture = Fixture::with_rounds(2);
    fixture.plan.artifacts[0].raw = 400_000;
    let condition = verdict(&fixture, "c3-own", "C3").condition.unwrap();
    assert!(condition.starts_with("only for our own guest (Rust):"), "{condition}");
}

#[test]
fn a_run_is_noisy_where_flagged_blocks_decide_or_are_most_of_it() {
    let summary = |fixture: &Fixture, name| generate(&fixture.write(name)).unwrap();
    // Two of six rounds are disturbed, and the verdicts hold without them.
    let few = summary(&Fixture::good().flagged_from(4), "noisy-few");
    assert!(!few.noisy && few.verdicts.iter().all(|verdict| !verdict.hangs_on_flagged), "{:?}", few.stamps);
    let most = summary(&Fixture::good().flagged_from(2), "noisy-most");
    assert!(most.noisy && most.verdicts.iter().all(|verdict| !verdict.hangs_on_flagged), "{:?}", most.stamps);
    assert!(
        most.stamps.iter().any(|stamp| stamp.contains("disturbed 472 of 708 blocks")),
        "{:?}",
        most.stamps
    );

    // Four of ten are, and say something else than the others.
    let mut fixture = Fixture::with_rounds(10).flagged_from(6);
    let only = small_read("memory", Placement::SameCore);
    fixture.blocks.retain(|block| block.cell == only);
    for lane in SIDECARS {
        fixture = fixture.scale(lane, |round| if round < 6 { 0.45 } else { 1.0 });
    }
    let deciding = summary(&fixture, "noisy-deciding");
    assert!(deciding.noisy, "{:?}", deciding.stamps);
    assert!(
        deciding
            .stamps
            .iter()
            .any(|stamp| stamp == "Noisy: flagged blocks decide over C1. Run it again on a quieter machine."),
        "{:?}",
        deciding.stamps
    );
}
