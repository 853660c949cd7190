//! Text for people, of values that others wrote.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

/// A string without anything that could steer a terminal or turn the reading direction around.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        let steers = letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if steers {
            // Writing to a string cannot fail.
            let _ = write!(plain, "{}", letter.escape_unicode());
        } else {
            plain.push(letter);
        }
    }
    plain
}

/// Unix seconds as a date, as far as there are dates with four digits of a year.
pub(super) fn date(seconds: u64) -> String {
    const END: u64 = 253_402_300_800;
    if seconds >= END {
        return format!("{seconds} s after 1970");
    }
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
