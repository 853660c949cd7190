//! What a hop through shared memory costs: 16 bytes there and back between two processes, without a sidecar's work.
//!
//! `cargo run --release -p pillion-shared-memory --example hop [blocks [calls [form]]]`
//!
//! Beside our client and server it runs what they could stand on, bare, and our messages without a hop:
//! - `board`: a number on a board each way, the least that the library has between two processes;
//! - `published`: a message published each way;
//! - `requests/2`, `requests/65`: a request and its response, where 1 or 64 and a greeting may be under way. The library
//!   has three channels for each of those, and passes over them all twice for each response.
//!
//! Every form has a process of its own at the other end, on the same core or on another one. Times are of blocks of calls,
//! one after another: the least and the median, in ns per call. On a machine that others use the least is what counts.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a program to be run by hand: what fails ends it, and says so"
)]

mod bare;
mod ours;
mod peer;

use std::time::Instant;

use iceoryx2::prelude::{LogLevel, set_log_level};

use crate::peer::{Peer, cores, pin};

/// The bytes.
const VALUE: [u8; 16] = *b"sixteen bytes ..";

/// Where the other end is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    SameCore,
    OtherCore,
}

fn main() {
    set_log_level(LogLevel::Fatal);
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, form, name, core, place] = &arguments[..]
        && role == "serve"
    {
        pin(core.parse().unwrap());
        let place = if place == "same" { Place::SameCore } else { Place::OtherCore };
        if form.starts_with("ours") {
            ours::serve(form, name)
        } else {
            bare::serve(form, name, place)
        }
        return;
    }
    let number = |index: usize, default: usize| arguments.get(index).map_or(default, |n| n.parse().unwrap());
    let (blocks, calls) = (number(1, 100), number(2, 1_000));
    let [here, there, ..] = cores()[..] else { panic!("two cores are needed") };
    pin(here);
    println!("{:<44} {:>8} {:>8}", "ns per call", "least", "median");
    print("our messages without a hop", ours::messages(blocks, calls));
    for place in [Place::OtherCore, Place::SameCore] {
        let (core, said) = match place {
            Place::SameCore => (here, "same core"),
            Place::OtherCore => (there, "other core"),
        };
        for form in ["board", "published", "requests/2", "requests/65", "ours, spinning", "ours, sleeping"] {
            if arguments.get(3).is_some_and(|only| !form.contains(only.as_str())) {
                continue;
            }
            let name = format!("hop-{}", std::process::id());
            let _peer = Peer::start(form, &name, core, place);
            let times = if form.starts_with("ours") {
                ours::measure(form, &name, blocks, calls)
            } else {
                bare::measure(form, &name, place, blocks, calls)
            };
            print(&format!("{form}, {said}"), times);
        }
    }
}

/// The time per call of each block.
fn timed(blocks: usize, calls: usize, mut call: impl FnMut()) -> Vec<f64> {
    let block = |_| {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        start.elapsed().as_nanos() as f64 / calls as f64
    };
    (0..blocks).map(block).collect()
}

fn print(form: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    println!("{form:<44} {:>8.0} {:>8.0}", times[0], times[times.len() / 2]);
}
