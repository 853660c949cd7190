//! `cargo fuzz run memory`: see `pillion_fuzz::memory`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::memory(data));
