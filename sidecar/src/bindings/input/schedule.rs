//! When a cron binding is due.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::CronParser;

use crate::bindings::duration;

/// When a cron binding is due.
#[derive(Clone, Debug)]
pub(crate) enum Schedule {
    /// `@every 1m30s`: after each such time.
    Every(Duration),
    /// At these times, in UTC.
    At(Box<Cron>),
}

/// The shortest time of `@every`: more often nobody is called by a clock.
const SHORTEST: Duration = Duration::from_millis(10);
/// No sleep is longer, so that a clock that is set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

// === impl Schedule ===

impl Schedule {
    /// Reads a schedule: `@every` with a time as Go writes it, `@hourly` and its kin, or an expression of five fields, or
    /// of six with seconds first.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(time) = text.strip_prefix("@every ") {
            let time = duration(time.trim()).filter(|time| *time >= SHORTEST);
            return time.map(Self::Every).ok_or_else(|| {
                format!("{text:?} tells no time of at least {SHORTEST:?}; write one such as @every 1m30s")
            });
        }
        let fields = text.split_whitespace().count();
        let cron =
            CronParser::new().parse(text).ok().filter(|_| text.starts_with('@') || matches!(fields, 5 | 6));
        cron.map(|cron| Self::At(Box::new(cron))).ok_or_else(|| {
            format!(
                "{text:?} is no schedule; write @every 10s, @hourly, or five fields as */5 * * * *, with seconds before \
                 them if need be"
            )
        })
    }

    /// Waits until it is due once more, after `last`; answers when it was due. `None` if it never is again.
    pub(super) async fn due(&self, last: SystemTime) -> Option<SystemTime> {
        match self {
            Self::Every(time) => {
                // By the clock that nobody sets.
                let since = last.elapsed().unwrap_or_default();
                tokio::time::sleep(time.saturating_sub(since)).await;
                let next = last.checked_add(*time)?;
                // What was missed meanwhile is not made up for.
                Some(if next.elapsed().is_ok_and(|late| late > *time) { SystemTime::now() } else { next })
            }
            Self::At(cron) => {
                let next = self.next(cron, last)?;
                while let Ok(left) = next.duration_since(SystemTime::now()) {
                    if left.is_zero() {
                        break;
                    }
                    tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
                }
                Some(next)
            }
        }
    }

    fn next(&self, cron: &Cron, last: SystemTime) -> Option<SystemTime> {
        let next = cron.find_next_occurrence(&DateTime::<Utc>::from(last), false).ok()?;
        Some(next.into())
    }
}

/// A time as Go writes it.
pub(super) fn shown(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).format("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(schedule: &str, after: &str) -> String {
        let Schedule::At(cron) = Schedule::parse(schedule).unwrap() else { panic!("no expression") };
        let after: DateTime<Utc> = after.parse().unwrap();
        let next = Schedule::At(cron.clone()).next(&cron, after.into()).unwrap();
        DateTime::<Utc>::from(next).to_rfc3339()
    }

    #[test]
    fn expressions() {
        for (schedule, after, expected) in [
            ("*/5 * * * *", "2026-01-01T00:01:30Z", "2026-01-01T00:05:00+00:00"),
            ("*/15 * * * * *", "2026-01-01T00:00:15Z", "2026-01-01T00:00:30+00:00"),
            ("0 30 2 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T02:30:00+00:00"),
            ("0 9-17 * * MON-FRI", "2026-01-02T17:30:00Z", "2026-01-05T09:00:00+00:00"),
            ("@hourly", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00+00:00"),
            ("@daily", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00+00:00"),
        ] {
            assert_eq!(next(schedule, after), expected, "{schedule}");
        }
        for (text, time) in [("@every 1m30s", 90_000), ("@every 10ms", 10), ("  @every  2s ", 2000)] {
            let Schedule::Every(found) = Schedule::parse(text).unwrap() else { panic!("{text}") };
            assert_eq!(found, Duration::from_millis(time));
        }
        for text in [
            "",
            "@every",
            "@every 1ms",
            "@every soon",
            "* * * *",
            "61 * * * *",
            "@never",
            "* * * * * * 2026 x",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_shown_as_go_shows_them() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1500);
        assert_eq!(shown(time), "1970-01-01 00:00:01.500 +0000 UTC");
    }
}
