//! Progress: a bar with a time to go on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressStyle};
use pillion_harness::run::Observer;

use crate::out::tell;

pub(crate) enum Progress {
    Bar(ProgressBar),
    /// The round that was last spoken of.
    Lines(Option<u32>),
}

// === impl Progress ===

impl Progress {
    pub(crate) fn new() -> Self {
        if !io::stderr().is_terminal() {
            return Self::Lines(None);
        }
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} to go  {msg}");
        Self::Bar(style.map_or(bar.clone(), |style| bar.with_style(style)))
    }
}

impl Observer for Progress {
    fn leg(&mut self, round: u32, entry: &str, done: u64, of: u64) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(of);
                bar.set_position(done);
                bar.set_message(format!("round {}: {entry}", round + 1));
            }
            Self::Lines(last) if *last != Some(round) => {
                *last = Some(round);
                tell!("round {}: {done} of {of} processes done", round + 1);
            }
            Self::Lines(_) => {}
        }
    }

    fn trouble(&mut self, what: &str) {
        match self {
            Self::Bar(bar) => bar.println(what),
            Self::Lines(_) => tell!("{what}"),
        }
    }
}
