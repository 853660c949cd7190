//! `cargo fuzz run claims`: see `pillion_fuzz::claims`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::claims(data));
