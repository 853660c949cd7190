//! Standard output and standard error, whose readers may go away before all is said: `pillion list | head -1`.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write as _, stderr, stdout};
use std::process::exit;

use crate::exit::Exit;

/// Says a line on standard output.
macro_rules! say {
    ($($line:tt)*) => { $crate::out::line(format_args!($($line)*)) };
}

/// Says a line on standard error.
macro_rules! tell {
    ($($line:tt)*) => { $crate::out::error_line(format_args!($($line)*)) };
}

pub(crate) use {say, tell};

/// Nobody reads on: that is the reader's wish, and the work goes on, as far as it is more than what it says. Any other
/// failure loses what was asked for.
pub(crate) fn line(line: Arguments<'_>) {
    let mut out = stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            tell!("pillion: standard output: {error}; write it where there is room");
            exit(Exit::Refused as i32);
        }
        _ => {}
    }
}

/// There is nowhere to say that this fails.
pub(crate) fn error_line(line: Arguments<'_>) {
    let _ = writeln!(stderr().lock(), "{line}");
}
