//! `cargo fuzz run component`: see `pillion_fuzz::component`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::component(data));
