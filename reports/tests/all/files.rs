//! The three files: fixed content, fixed bytes, and proof that they fit.

use std::fs;

use pillion_records::{Cell, Outcome, Placement};
use pillion_reports::{ReportError, check, generate, results, splice, splice_check};
use serde_json::Value;

use crate::fixture::{Fixture, small_read};

fn read_json(dir: &std::path::Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("results.json")).unwrap()).unwrap()
}

#[test]
fn the_markdown_is_as_recorded() {
    let dir = Fixture::good().write("markdown");
    generate(&dir).unwrap();
    insta::assert_snapshot!(fs::read_to_string(dir.join("report.md")).unwrap());
}

#[test]
fn the_json_is_as_recorded() {
    let dir = Fixture::with_rounds(3).write("json");
    generate(&dir).unwrap();
    let mut json = read_json(&dir);
    // A sample of each kind of row keeps the snapshot readable.
    for rows in ["ratios", "effects", "slopes", "cells"] {
        let rows = json[rows].as_array_mut().unwrap();
        rows.truncate(3);
        for row in rows {
            if let Some(histogram) = row.get_mut("histogram_ps") {
                assert!(
                    pillion_records::histogram::decode(histogram.as_str().unwrap()).unwrap().len() == 6_000
                );
                *histogram = "(checked)".into();
            }
        }
    }
    insta::assert_json_snapshot!(json);
}

#[test]
fn a_ratio_of_two_is_two() {
    let dir = Fixture::good().write("two");
    let found = results(&dir).unwrap();
    let ratio = found
        .ratios
        .iter()
        .find(|ratio| {
            (ratio.a.as_str(), ratio.b.as_str(), ratio.statistic) == ("wapc-crate", "host", "p50")
                && ratio.cell.workload == "kv-get"
                && ratio.cell.provider == "memory"
                && ratio.cell.placement == "same-core"
                && ratio.cell.payload == 16
        })
        .unwrap();
    assert_eq!((ratio.ratio, ratio.low, ratio.high, ratio.n_rounds), (2.0, 2.0, 2.0, 6));
    assert_eq!(ratio.word, "slower");
}

#[test]
fn a_call_is_a_slope_and_entering_is_measured() {
    let mut fixture = Fixture::good();
    let found = results(&fixture.write("slope")).unwrap();
    let slope = found.slopes.iter().find(|slope| slope.lane == "host").unwrap();
    // 0.6 of 500 ns, times the mean of the rounds' disturbance, 1.01.
    assert_eq!((slope.slope_ns, slope.misfit), (303.0, 0.0));
    // 0.4 of 500 ns, times its geometric mean: what the cell says.
    let entered = found.cells.iter().find(|cell| cell.entry == "host" && cell.cell.calls == Some(0)).unwrap();
    assert!((slope.entering_ns.unwrap() * 1e3 - entered.p50_ps as f64).abs() < 1.0, "{slope:?}");
    assert!(slope.entering_low_ns < slope.entering_ns && slope.entering_ns < slope.entering_high_ns);

    fixture.blocks.retain(|block| block.cell.calls != Some(0));
    for cells in fixture.plan.cells.values_mut() {
        cells.retain(|cell| cell.calls != Some(0));
    }
    let dir = fixture.write("slope-without-0");
    generate(&dir).unwrap();
    assert_eq!(results(&dir).unwrap().slopes[0].entering_ns, None);
    assert!(fs::read_to_string(dir.join("report.md")).unwrap().contains("– (no request without calls)"));
}

#[test]
fn a_hop_needs_a_call() {
    let found = results(&Fixture::with_rounds(2).write("hop")).unwrap();
    assert!(found.effects.iter().any(|effect| effect.cell.calls == Some(1)));
    assert!(found.effects.iter().all(|effect| effect.cell.calls != Some(0)));
}

#[test]
fn a_cell_that_tells_apart_what_is_the_same_is_unsure() {
    let set = |cell: &Cell| cell.workload == "kv-set";
    let large = |cell: &Cell| cell.payload == 1024;
    // In one cell A/A is off by 3 %, in another it is wide; over all cells it holds.
    let fixture = Fixture::good()
        .scale_in("aa", set, |_| 1.03)
        .scale_in("aa", large, |round| if round.is_multiple_of(2) { 0.7 } else { 1.3 });
    let dir = fixture.write("aa-cells");
    generate(&dir).unwrap();
    let found = results(&dir).unwrap();
    let aa = found.aa.unwrap();
    assert!(aa.contains_one && aa.cells.len() == 11);
    let margin = |wanted: fn(&str, u64) -> bool| {
        aa.cells.iter().find(|own| wanted(&own.cell.workload, own.cell.payload)).unwrap().margin
    };
    assert_eq!(margin(|workload, _| workload == "kv-set"), None);
    assert_eq!(margin(|workload, payload| workload == "kv-get" && payload == 16), Some(found.margin));
    assert!(margin(|_, payload| payload == 1024).unwrap() > 0.2);
    let words = |workload: &str, payload: u64| -> Vec<&str> {
        let of = found.ratios.iter().filter(|ratio| {
            (ratio.a.as_str(), ratio.b.as_str()) == ("wapc-crate", "host")
                && ratio.cell.workload == workload
                && ratio.cell.payload == payload
                && ratio.cell.load == "service"
                && ratio.statistic == "p50"
        });
        of.map(|ratio| ratio.word).collect()
    };
    assert_eq!(words("kv-set", 16), ["unsure"]);
    assert_eq!(words("kv-get", 1024), ["slower"]);
    for file in ["report.md", "report.html"] {
        let text = fs::read_to_string(dir.join(file)).unwrap();
        assert!(text.contains("none: excludes 1, so every word is unsure"), "{file}");
    }
}

#[test]
fn what_is_printed_says_how_it_came_about() {
    let mut fixture = Fixture::good();
    for block in fixture.blocks.iter_mut().filter(|block| block.entry == "host" && block.round == 0) {
        if let Outcome::Measured(figures) = &mut block.outcome {
            figures.warmup_settled = false;
        }
    }
    fixture.blocks[0].outcome = Outcome::Failed { reason: "in the first round".into() };
    let dir = fixture.write("words");
    generate(&dir).unwrap();
    let markdown = fs::read_to_string(dir.join("report.md")).unwrap();
    for text in [
        "- Warm-up: 13 of 707 blocks with figures did not get steady before the cap",
        "over 1 session\n",
        "| 505 ns [500 ns…510 ns] |",
        "CPU per operation, same core |",
        "What failed is not measured again by `pillion resume`.",
        "| 1 | in the first round |",
    ] {
        assert!(markdown.contains(text), "{text}: {markdown}");
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    let fixture = Fixture::with_rounds(3);
    let (first, second) = (fixture.write("bytes-1"), fixture.write("bytes-2"));
    generate(&first).unwrap();
    generate(&second).unwrap();
    for file in ["report.html", "report.md", "results.json"] {
        assert_eq!(fs::read(first.join(file)).unwrap(), fs::read(second.join(file)).unwrap(), "{file}");
    }
}

#[test]
fn a_changed_byte_is_found_in_each_file() {
    let dir = Fixture::with_rounds(2).write("changed");
    generate(&dir).unwrap();
    check(&dir).unwrap();
    for file in ["report.html", "report.md", "results.json"] {
        let path = dir.join(file);
        let whole = fs::read(&path).unwrap();
        let mut changed = whole.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        fs::write(&path, &changed).unwrap();
        let error = check(&dir).unwrap_err();
        assert!(matches!(&error, ReportError::Differs { path: found, .. } if *found == path), "{error}");
        fs::write(&path, whole).unwrap();
    }
    check(&dir).unwrap();
}

#[test]
fn changed_data_are_found() {
    let mut fixture = Fixture::with_rounds(2);
    let dir = fixture.write("data");
    generate(&dir).unwrap();
    let report = fs::read(dir.join("report.html")).unwrap();
    fixture = fixture.scale("host", |_| 1.1);
    let dir = fixture.write("data");
    for file in ["report.html", "report.md", "results.json"] {
        fs::write(dir.join(file), &report).unwrap();
    }
    assert!(matches!(check(&dir).unwrap_err(), ReportError::Differs { .. }));
}

#[test]
fn readme_numbers_come_from_the_run() {
    let dir = Fixture::with_rounds(2).write("readme");
    let readme = dir.join("README.md");
    fs::write(&readme, "before\n<!-- pillion:numbers -->\nold\n<!-- /pillion:numbers -->\nafter\n").unwrap();
    assert!(matches!(splice_check(&readme, &dir).unwrap_err(), ReportError::Differs { .. }));
    splice(&readme, &dir).unwrap();
    splice_check(&readme, &dir).unwrap();
    let once = fs::read_to_string(&readme).unwrap();
    assert!(
        once.starts_with("before\n<!-- pillion:numbers -->\n")
            && once.ends_with("<!-- /pillion:numbers -->\nafter\n")
    );
    assert!(once.contains("20.0 × (20.0–20.0)") && !once.contains("old"), "{once}");
    splice(&readme, &dir).unwrap();
    assert_eq!(fs::read_to_string(&readme).unwrap(), once);
}

#[test]
fn a_readme_without_markers_is_left_alone() {
    let dir = Fixture::with_rounds(2).write("no-marker");
    let readme = dir.join("README.md");
    fs::write(&readme, "no markers").unwrap();
    let error = splice(&readme, &dir).unwrap_err();
    assert!(error.to_string().contains("<!-- pillion:numbers -->"), "{error}");
    assert_eq!(fs::read_to_string(&readme).unwrap(), "no markers");
}

#[test]
fn a_directory_without_a_run_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = generate(dir.path()).unwrap_err();
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
}

#[test]
fn a_run_without_blocks_is_refused() {
    let mut fixture = Fixture::with_rounds(2);
    fixture.blocks.clear();
    let dir = fixture.write("empty");
    assert!(matches!(generate(&dir).unwrap_err(), ReportError::Empty { .. }));
    assert!(!dir.join("report.html").exists());
}

#[test]
fn a_missing_lane_is_a_dash_with_its_reason() {
    let mut fixture = Fixture::good();
    for block in fixture.blocks.iter_mut().filter(|block| block.lane == "sidecar-http-tcp") {
        block.outcome = Outcome::Failed { reason: "port in use".into() };
    }
    let dir = fixture.write("missing");
    let summary = generate(&dir).unwrap();
    assert!(summary.incomplete && !summary.void && !summary.wrong);
    let found = results(&dir).unwrap();
    assert!(found.ratios.iter().all(|ratio| ratio.a != "sidecar-http-tcp" && ratio.b != "sidecar-http-tcp"));
    let markdown = fs::read_to_string(dir.join("report.md")).unwrap();
    assert!(markdown.contains("| `sidecar-http-tcp` | – (failed: port in use) | –"), "{markdown}");
}

#[test]
fn a_wrong_answer_leaves_the_lane_out() {
    let mut fixture = Fixture::good();
    let cell = small_read("redis", Placement::SameCore);
    let block =
        fixture.blocks.iter_mut().find(|block| block.lane == "wapc-crate" && block.cell == cell).unwrap();
    block.outcome = Outcome::Wrong { reason: "expected \"a|b\", got \"\"".into() };
    let dir = fixture.write("wrong");
    let summary = generate(&dir).unwrap();
    assert!(summary.wrong && !summary.incomplete);
    let found = results(&dir).unwrap();
    assert!(found.cells.iter().all(|cell| cell.lane != "wapc-crate"));
    assert!(found.ratios.iter().all(|ratio| ratio.a != "wapc-crate" && ratio.b != "wapc-crate"));
    assert_eq!((found.errors.len(), found.errors[0].kind), (1, "wrong"));
    let markdown = fs::read_to_string(dir.join("report.md")).unwrap();
    assert!(markdown.contains("expected \"a\\|b\""), "{markdown}");
    // What the lane still lacks is not measured again, so a resume is not promised.
    fixture.blocks.retain(|block| block.lane != "wapc-crate" || block.round < 2);
    let stamps = |fixture: &Fixture, name| generate(&fixture.write(name)).unwrap().stamps.join("\n");
    let found = stamps(&fixture, "wrong-and-missing");
    assert!(found.contains("Incomplete:") && found.contains("are not measured again"), "{found}");
    fixture.blocks.pop();
    assert!(stamps(&fixture, "wrong-and-pending").contains("`pillion resume` goes on."));
}
