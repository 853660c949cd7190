//! `cargo fuzz run module`: see `pillion_fuzz::module`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::module(data));
