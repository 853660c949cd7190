//! Logs on standard error.

use std::io::IsTerminal;

use tracing_subscriber::filter::LevelFilter;

/// Starts logging for the whole process.
///
/// # Errors
/// An unknown level; the text names those there are.
pub fn start(level: &str, as_json: bool) -> Result<(), String> {
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
        logs.json().init()
    } else {
        logs.init()
    }
    Ok(())
}
