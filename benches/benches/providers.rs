//! What a provider's call costs by itself, without host or sidecar.
//!
//! ```text
//! cargo bench -p pillion-harness --bench providers                     all
//! cargo bench -p pillion-harness --bench providers -- memory/get       those whose name holds this
//! cargo bench -p pillion-harness --bench providers -- 'redb/set/16 B'  one
//! ```
//!
//! Names are `provider/operation/size`, and `counters/…`. A call is one at a time; an answer that has to be waited
//! for is awaited on this thread's executor, which for Redis drives the connection too. A redb set waits for the
//! disk. Without `redis-server`, those over Redis are skipped, and that is said (under CI it is an error).
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has to stop")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pillion_capabilities::keyvalue::{Change, SetOptions};
use pillion_capabilities::testing::RedisServer;
use pillion_capabilities::{Counters, KeyValue, Memory, Operation, Redb, Redis};
use tokio::runtime::Runtime;

const SIZES: [(&str, usize); 3] = [("16 B", 16), ("1 KiB", 1 << 10), ("64 KiB", 64 << 10)];

/// So many that a call does not find the key of the one before in the nearest cache.
const KEYS: usize = 256;

criterion_group!(benches, memory, redb, redis, counters);
criterion_main!(benches);

fn memory(criterion: &mut Criterion) {
    provider(criterion, &runtime(), &Memory::new());
}

fn redb(criterion: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    provider(criterion, &runtime(), &Redb::open(directory.path().join("store.redb")).unwrap());
}

fn redis(criterion: &mut Criterion) {
    let Some(server) = RedisServer::start_or_skip().unwrap() else { return };
    let runtime = runtime();
    let store = runtime.block_on(Redis::connect(&server.url())).unwrap();
    provider(criterion, &runtime, &store);
}

fn provider(criterion: &mut Criterion, runtime: &Runtime, store: &dyn KeyValue) {
    let keys: Vec<String> = (0..KEYS).map(|key| format!("key:{key}")).collect();
    for (size, bytes) in SIZES {
        let value = Bytes::from(vec![b'x'; bytes]);
        let set = |key: &String| Change::Set {
            key: key.clone(),
            value: value.clone(),
            options: SetOptions::default(),
        };
        runtime.block_on(store.transact(keys.iter().map(set).collect()).wait()).unwrap();

        let mut group = criterion.benchmark_group(format!("{}/get", store.name()));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(size, |bencher| {
            bencher.iter_custom(|calls| {
                runtime.block_on(timed(&keys, calls, async |key| {
                    black_box(store.get(black_box(key)).wait().await.unwrap());
                }))
            });
        });
        group.finish();

        let mut group = criterion.benchmark_group(format!("{}/set", store.name()));
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(size, |bencher| {
            bencher.iter_custom(|calls| {
                runtime.block_on(timed(&keys, calls, async |key| {
                    let answer = store.set(black_box(key), value.clone(), SetOptions::default());
                    black_box(answer.wait().await.unwrap());
                }))
            });
        });
        group.finish();
    }
}

fn counters(criterion: &mut Criterion) {
    let counters = Arc::new(Counters::default());
    let mut group = criterion.benchmark_group("counters/count");
    group.bench_function("1 thread", |bencher| {
        bencher.iter(|| black_box(&counters).count(black_box(Operation::Get)));
    });
    group.bench_function("2 threads", |bencher| {
        bencher.iter_custom(|calls| {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| (0..calls).for_each(|_| black_box(&counters).count(Operation::Get)));
                }
            });
            start.elapsed()
        });
    });
    group.finish();
}

/// The time of so many calls, over the keys in turn.
async fn timed(keys: &[String], calls: u64, mut call: impl AsyncFnMut(&str)) -> Duration {
    let mut turns = keys.iter().cycle();
    let start = Instant::now();
    for _ in 0..calls {
        call(turns.next().unwrap()).await;
    }
    start.elapsed()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
