//! The promises of `Logging`, held against the lines that a process would really write.

use pillion_capabilities::logging::{Collected, LONGEST_SOURCE, LONGEST_TEXT, Level, Operation, Traced};
use pillion_capabilities::{Answer, Error, Logging};
use proptest::prelude::*;
use tracing_subscriber::filter::LevelFilter;

use crate::log::Written;

/// A line as both providers have it: the level's name, the source, the text.
type Row = (String, String, String);

const LEVELS: [Level; 6] = [Level::Off, Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace];

fn write(logging: &dyn Logging, lines: &[(&str, Level, &str)]) {
    assert!(logging.always_ready());
    for (source, level, text) in lines {
        assert!(matches!(logging.write(source, *level, text), Answer::Ready(Ok(()))));
    }
    assert_eq!(logging.counters().of(Operation::Write), lines.len() as u64);
}

/// What the subscriber of a process writes, in JSON, a line for each.
fn traced(lines: &[(&str, Level, &str)], filter: LevelFilter) -> Vec<Row> {
    let text = raw(lines, filter, true);
    let rows = text.lines().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["target"], "app");
        let field = |name| event["fields"][name].as_str().unwrap().to_owned();
        (event["level"].as_str().unwrap().to_owned(), field("source"), field("message"))
    });
    rows.collect()
}

fn raw(lines: &[(&str, Level, &str)], filter: LevelFilter, json: bool) -> String {
    let written = Written::default();
    let made = written.clone();
    let builder = tracing_subscriber::fmt().with_max_level(filter).with_writer(move || made.clone());
    let run = || write(&Traced::new(), lines);
    if json {
        tracing::subscriber::with_default(builder.json().finish(), run);
    } else {
        tracing::subscriber::with_default(builder.with_ansi(false).finish(), run);
    }
    written.text()
}

fn collected(lines: &[(&str, Level, &str)]) -> Vec<Row> {
    let logging = Collected::new(usize::MAX);
    write(&logging, lines);
    let row = |line: pillion_capabilities::logging::Line| {
        (format!("{:?}", line.level).to_uppercase(), line.source, line.text)
    };
    logging.lines().into_iter().map(row).collect()
}

#[test]
fn both_providers_have_the_same_lines() {
    let lines: Vec<_> = LEVELS.iter().map(|&level| ("MACTOR", level, "it \"works\"")).collect();
    let rows = collected(&lines);
    assert_eq!(rows.len(), 5, "a line of level off is none");
    assert_eq!(rows[0], ("ERROR".to_owned(), "MACTOR".to_owned(), "it \"works\"".to_owned()));
    assert_eq!(rows, traced(&lines, LevelFilter::TRACE));
    assert_eq!(rows[..2], traced(&lines, LevelFilter::WARN));
}

#[test]
fn a_text_cannot_forge_a_line() {
    let forged =
        "ok\n2026-11-23T00:00:00Z ERROR app: all is lost source=\"MOTHER\"\r\n\u{1b}[2J\u{2028}\u{202e}";
    for json in [true, false] {
        let text = raw(&[("MACTOR\nMOTHER", Level::Info, forged)], LevelFilter::TRACE, json);
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
        assert!(text.ends_with('\n'));
        assert!(
            !text.trim_end_matches('\n').contains(|c: char| c.is_control() || "\u{2028}\u{202e}".contains(c))
        );
    }
}

#[test]
fn levels_are_numbered_from_0_to_5() {
    for (number, level) in LEVELS.into_iter().enumerate() {
        assert_eq!(Level::try_from(number as u32), Ok(level));
        assert_eq!(level as usize, number);
    }
    for number in [6, u32::MAX] {
        let Err(Error::InvalidArgument(said)) = Level::try_from(number) else {
            panic!("{number} is no level")
        };
        assert!(said.contains(&number.to_string()), "{said}");
    }
}

#[test]
fn the_collected_lines_are_the_last() {
    let logging = Collected::new(3);
    for number in 0..10 {
        let Answer::Ready(Ok(())) = logging.write("M", Level::Info, &number.to_string()) else { panic!() };
    }
    assert_eq!(logging.lines().into_iter().map(|line| line.text).collect::<Vec<_>>(), ["7", "8", "9"]);
    write(&Collected::new(0), &[("M", Level::Info, "forgotten")]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_text_is_one_bounded_line(source in ".{0,400}", text in "(?s).{0,9000}") {
        let lines = [(&*source, Level::Warn, &*text)];
        let rows = collected(&lines);
        prop_assert_eq!(&rows, &traced(&lines, LevelFilter::TRACE));
        let (_, source, text) = &rows[0];
        prop_assert!(!source.contains(char::is_control) && !text.contains(char::is_control));
        prop_assert!(source.len() < LONGEST_SOURCE + 40 && text.len() < LONGEST_TEXT + 40);
        prop_assert_eq!(raw(&lines, LevelFilter::TRACE, false).lines().count(), 1);
    }
}
