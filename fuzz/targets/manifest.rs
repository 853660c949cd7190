//! `cargo fuzz run manifest`: see `pillion_fuzz::manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::manifest(data));
