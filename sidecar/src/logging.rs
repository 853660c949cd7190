//! Logs on standard error: lines for people, or those that Dapr writes for machines.

use std::fmt;
use std::io::IsTerminal;

use chrono::{SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::sidecar::RUNTIME_VERSION;

/// Lines as Dapr has them in JSON (its documentation, "Logs"): one flat object each, with `time`, `level`, `type`, `msg`,
/// `scope`, `instance`, `app_id` and `ver`, and beside them whatever the event says.
#[derive(Debug)]
struct Json {
    app_id: String,
    instance: String,
}

/// A line while it is made.
struct Line(Map<String, Value>);

// === impl Json ===

impl Json {
    fn new(app_id: &str) -> Self {
        // Where there is no such file, only who set the variable knows.
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
        let name = name.or_else(|_| std::env::var("HOSTNAME")).unwrap_or_default();
        Self { app_id: app_id.to_owned(), instance: name.trim_end().to_owned() }
    }

    fn line(&self, event: &Event<'_>) -> Line {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            Level::ERROR => "error",
            Level::WARN => "warning",
            Level::INFO => "info",
            Level::DEBUG | Level::TRACE => "debug",
        };
        let time = Utc::now().to_rfc3339_opts(SecondsFormat::Nanos, true);
        let mut line = Line(Map::new());
        for (name, value) in [
            ("time", &*time),
            ("level", level),
            ("type", "log"),
            ("msg", ""),
            ("scope", metadata.target()),
            ("instance", &self.instance),
            ("app_id", &self.app_id),
            ("ver", RUNTIME_VERSION),
        ] {
            line.0.insert(name.to_owned(), value.into());
        }
        event.record(&mut line);
        line
    }
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let line = serde_json::to_string(&self.line(event).0).map_err(|_| fmt::Error)?;
        writeln!(writer, "{line}")
    }
}

// === impl Line ===

impl Line {
    fn insert(&mut self, field: &Field, value: Value) {
        let name = match field.name() {
            "message" => "msg".to_owned(),
            // What the line says itself is not to be said by an event.
            name if self.0.contains_key(name) => format!("fields.{name}"),
            name => name.to_owned(),
        };
        self.0.insert(name, value);
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.insert(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.insert(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.insert(field, format!("{value:?}").into());
    }
}

// === free functions ===

/// Starts logging for the whole process, the sidecar of this app.
///
/// # Errors
/// An unknown level; the text names those there are.
pub(crate) fn start(level: &str, as_json: bool, app_id: &str) -> Result<(), String> {
    let level = match level.to_ascii_lowercase().as_str() {
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" | "warning" => LevelFilter::WARN,
        "error" | "fatal" => LevelFilter::ERROR,
        other => return Err(format!("--log-level {other:?} is none of debug, info, warn, error and fatal")),
    };
    let colours = std::io::stderr().is_terminal();
    let logs =
        tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_ansi(colours);
    if as_json {
        logs.event_format(Json::new(app_id)).init()
    } else {
        logs.init()
    }
    Ok(())
}
