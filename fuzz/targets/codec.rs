//! `cargo fuzz run codec`: see `pillion_fuzz::codec`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::codec(data));
