//! `cargo fuzz run cloudevent`: see `pillion_fuzz::cloudevent`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pillion_fuzz::cloudevent(data));
