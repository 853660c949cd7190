//! `cargo fuzz run path`: see `pillion_fuzz::path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::path(data));
