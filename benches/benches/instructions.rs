//! Instructions of the hot paths, counted by callgrind: unlike times, they are the same on a busy machine.
//!
//! It needs `valgrind` (on Debian: `apt-get install valgrind`) and
//! `cargo install gungraun-runner --version 0.20.0`; without them it says so and ends well.
//!
//! A guest's call is not among them: code that wasmtime compiles at run time has not been shown to run under
//! valgrind. The benchmark `in_process` times it.
//!
//! ```text
//! cargo bench -p pillion-harness --bench instructions
//! cargo bench -p pillion-harness --bench instructions -- '*memory_get*'
//! ```
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has to stop")]

use std::process::{Command, ExitCode, Stdio};

/// What is measured, in a module of its own since `gungraun::main!` writes a `main`.
mod counted {
    use std::hint::black_box;
    use std::sync::Arc;

    use bytes::Bytes;
    use gungraun::prelude::*;
    use pillion_capabilities::keyvalue::{Entry, Etag, SetOptions};
    use pillion_capabilities::{Answer, Counters, KeyValue, Memory, Operation};
    use pillion_codec::keyvalue::{GetRequest, GetResponse};

    const KEY: &str = "key:1";

    library_benchmark_group!(name = provider, benchmarks = [memory_get, memory_set, count]);
    library_benchmark_group!(name = codec, benchmarks = [encode_get, decode_get]);
    main!(library_benchmark_groups = provider, codec);

    pub(super) fn run() {
        main();
    }

    fn store(bytes: usize) -> Arc<dyn KeyValue> {
        let store = Memory::new();
        let Answer::Ready(Ok(_)) = store.set(KEY, vec![b'x'; bytes].into(), SetOptions::default()) else {
            unreachable!("memory is always ready")
        };
        // The first clone of a value makes it shared, and later ones do not.
        drop(store.get(KEY));
        Arc::new(store)
    }

    fn store_and_value(bytes: usize) -> (Arc<dyn KeyValue>, Bytes) {
        (store(bytes), vec![b'y'; bytes].into())
    }

    #[library_benchmark]
    #[bench::b16(store(16))]
    #[bench::k64(store(64 << 10))]
    fn memory_get(store: Arc<dyn KeyValue>) -> (Answer<Option<Entry>>, Arc<dyn KeyValue>) {
        (black_box(&store).get(black_box(KEY)), store)
    }

    #[library_benchmark]
    #[bench::b16(store_and_value(16))]
    #[bench::k64(store_and_value(64 << 10))]
    fn memory_set((store, value): (Arc<dyn KeyValue>, Bytes)) -> (Answer<Etag>, Arc<dyn KeyValue>) {
        (black_box(&store).set(black_box(KEY), value, SetOptions::default()), store)
    }

    #[library_benchmark]
    #[bench::one(Counters::default())]
    fn count(counters: Counters) -> Counters {
        black_box(&counters).count(black_box(Operation::Get));
        counters
    }

    /// A buffer with room, as the hot path has it.
    fn room() -> Vec<u8> {
        Vec::with_capacity(4096)
    }

    #[library_benchmark]
    #[bench::b16((room(), vec![b'x'; 16]))]
    fn encode_get((mut out, value): (Vec<u8>, Vec<u8>)) -> Vec<u8> {
        GetResponse { value: black_box(&value), exists: true }.encode(&mut out);
        out
    }

    #[library_benchmark]
    #[bench::request(encoded())]
    fn decode_get(message: Vec<u8>) -> (usize, Vec<u8>) {
        (GetRequest::decode(black_box(&message)).unwrap().key.len(), message)
    }

    fn encoded() -> Vec<u8> {
        let mut out = room();
        GetRequest { key: KEY }.encode(&mut out);
        out
    }
}

fn main() -> ExitCode {
    // The runner starts this program again for each count.
    if std::env::args().nth(1).is_some_and(|argument| argument == "--gungraun-run") {
        counted::run();
        return ExitCode::SUCCESS;
    }
    let runner = option_env!("GUNGRAUN_RUNNER").unwrap_or("gungraun-runner");
    for (program, remedy) in
        [("valgrind", "apt-get install valgrind"), (runner, "cargo install gungraun-runner --version 0.20.0")]
    {
        let started =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if started.is_err() {
            eprintln!(
                "SKIPPED: instructions are not counted, since {program} is not there; install it: {remedy}"
            );
            return ExitCode::SUCCESS;
        }
    }
    counted::run();
    ExitCode::SUCCESS
}
