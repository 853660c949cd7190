//! `wascc:logging`: lines in the host's log.

use std::fmt;

use crate::Result;
use crate::call::{call_with, console};
use crate::client::client;
use crate::message::WriteLogRequest;

client! {
    /// The host's log. The macros [`error!`](crate::error!) to [`trace!`](crate::trace!) write to it by the binding
    /// `default`.
    Logging = "wascc:logging"
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Something failed.
    Error = 1,
    /// Something may be about to fail.
    Warn = 2,
    /// Something happened.
    Info = 3,
    /// What a developer of the actor looks for.
    Debug = 4,
    /// Every step.
    Trace = 5,
}

// === impl Logging ===

impl Logging<'_> {
    /// Writes a line.
    ///
    /// # Errors
    /// The host's, among them that the capability is not granted.
    pub fn write(&self, level: Level, line: &str) -> Result<()> {
        let request = WriteLogRequest { level: level as u32, body: line };
        call_with(self.binding, Self::CONTRACT, "WriteLog", |out| request.encode(out)).map(drop)
    }
}

/// Writes a line by `wascc:logging`, or to the host's console where that fails: a line is not worth an actor's error.
pub fn log(level: Level, line: &str) {
    if Logging::new().write(level, line).is_err() {
        console(line);
    }
}

/// What the macros expand to. A text without arguments is not formatted, and so links no formatting.
#[doc(hidden)]
#[inline(always)]
pub fn log_formatted(level: Level, line: fmt::Arguments<'_>) {
    match line.as_str() {
        Some(line) => log(level, line),
        None => log(level, &line.to_string()),
    }
}

/// Logs that something failed.
#[macro_export]
macro_rules! error {
    ($($line:tt)+) => { $crate::logging::log_formatted($crate::logging::Level::Error, ::core::format_args!($($line)+)) };
}

/// Logs that something may be about to fail.
#[macro_export]
macro_rules! warn {
    ($($line:tt)+) => { $crate::logging::log_formatted($crate::logging::Level::Warn, ::core::format_args!($($line)+)) };
}

/// Logs that something happened: `info!("{count} visits")`.
#[macro_export]
macro_rules! info {
    ($($line:tt)+) => { $crate::logging::log_formatted($crate::logging::Level::Info, ::core::format_args!($($line)+)) };
}

/// Logs what a developer of the actor looks for.
#[macro_export]
macro_rules! debug {
    ($($line:tt)+) => { $crate::logging::log_formatted($crate::logging::Level::Debug, ::core::format_args!($($line)+)) };
}

/// Logs a step.
#[macro_export]
macro_rules! trace {
    ($($line:tt)+) => { $crate::logging::log_formatted($crate::logging::Level::Trace, ::core::format_args!($($line)+)) };
}
