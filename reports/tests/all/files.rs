//! The three files: fixed content, fixed bytes, and proof that they fit.

use std::fs;

use pillion_records::{Outcome, Placement};
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
    let slope = found.slopes.iter().find(|slope| slope.lane == "host").unwrap();
    // 0.6 and 0.4 of 500 ns, times the mean of the rounds' disturbance, 1.01.
    assert_eq!((slope.slope_ns, slope.intercept_ns), (303.0, 202.0));
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
}
