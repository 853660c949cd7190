//! Calls under load: while the code of their actor is swapped, and while hundreds of them wait for a server.

use std::fs;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use pillion_capabilities::keyvalue::SetOptions;
use pillion_capabilities::testing::RedisServer;
use pillion_capabilities::{KeyValue, Redis};
use pillion_host::identity::{self, ActorClaims, Claims, KeyPair, TrustedIssuers};
use pillion_host::{Host, HostConfig};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::ratio::{Goal, Lines, Way, quartiles};
use crate::ways::{bytes, guest, host, memory, signed_guest};

/// Swaps, each beside as long a time without one.
const SWAPS: usize = 30;
const IN_FLIGHT: usize = 256;

/// The 99th percentile of calls while their actor gets another module: checked, compiled, and put in its place. Each swap
/// is compared with the time just before it, which is as long.
pub(crate) fn swap(lines: &Lines) {
    const LINE: &str = "ratio/hot-swap/p99-during-over-before";
    let Some(swaps) = lines.rounds(LINE, SWAPS) else { return };
    let (account, module, wasm) = (KeyPair::new_account(), KeyPair::new_module(), guest());
    let revision = |revision: usize| {
        // Else it would be the code that is compiled already.
        let text = revision.to_string();
        let length = text.len() as u8;
        let section = [&[0, length + 2, 1, b'r'][..], text.as_bytes()].concat();
        let rev = i32::try_from(revision).ok();
        let caps = vec!["wascc:keyvalue".to_owned()];
        let claims = Claims::new(&account, &module, ActorClaims { rev, caps, ..ActorClaims::default() });
        identity::sign(&[&wasm[..], &section].concat(), claims, &account).expect("it can be signed")
    };
    let trust = TrustedIssuers::from([account.public_key()]).into();
    let host = Host::new(HostConfig { trust, ..HostConfig::default() }).expect("it starts");
    let actor = host.load(&revision(0)).expect("it loads");
    host.bind(&actor, "default", memory(&bytes(16))).expect("it is granted");

    let runtime = current_thread();
    let (swapping, ended) = (AtomicBool::new(false), AtomicBool::new(false));
    let (round, failed) = (AtomicUsize::new(0), AtomicU64::new(0));
    let calls = || {
        let empty = || Histogram::<u64>::new_with_max(10_000_000_000, 3).expect("a histogram");
        let mut times: Vec<_> = (0..swaps).map(|_| [empty(), empty()]).collect();
        let mut response = Vec::new();
        while !ended.load(Ordering::Acquire) {
            let (before, of) = (swapping.load(Ordering::Acquire), round.load(Ordering::Acquire));
            let begun = Instant::now();
            let answered = host.call_into(&actor, "kv.get", b"key", &mut response);
            let took = begun.elapsed();
            failed.fetch_add(u64::from(answered.is_err() || response.len() != 16), Ordering::Relaxed);
            let during = before || swapping.load(Ordering::Acquire);
            let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
            times[of][usize::from(during)].saturating_record(took);
        }
        times
    };
    let (times, took) = thread::scope(|scope| {
        let calling = scope.spawn(calls);
        let mut took = Duration::from_millis(50);
        for number in 0..swaps {
            let next = revision(number + 1);
            round.store(number, Ordering::Release);
            thread::sleep(took);
            swapping.store(true, Ordering::Release);
            let begun = Instant::now();
            runtime.block_on(host.update(&actor, &next, None)).expect("it is newer");
            took = begun.elapsed();
            swapping.store(false, Ordering::Release);
        }
        ended.store(true, Ordering::Release);
        (calling.join().expect("the calls go on"), took)
    });
    let p99 = |which: usize| times.iter().map(|round| round[which].value_at_quantile(0.99) as f64).collect();
    let [before, during]: [Vec<f64>; 2] = [p99(0), p99(1)];
    let ratios = before.iter().zip(&during).map(|(before, during)| during / before).collect();
    let calls: u64 = times.iter().flatten().map(Histogram::len).sum();
    let beside = format!(
        "before {:.0} ns, during {:.0} ns; {} of {calls} calls failed in {swaps} swaps of {took:?}",
        quartiles(before)[1],
        quartiles(during)[1],
        failed.load(Ordering::Relaxed),
    );
    lines.value(LINE, Goal::AtMost(2.0), ratios, &beside);
}

/// How much of a native client's throughput is left to a guest that gets a value from Redis, with so many calls in flight
/// on one thread; and how many threads there are meanwhile.
pub(crate) fn waiting(lines: &Lines) {
    const GROUP: &str = "redis-256-in-flight";
    const THREADS: &str = "ratio/redis-256-in-flight/threads-more";
    const THROUGHPUT: &str = "ratio/redis-256-in-flight/native-over-guest";
    if [THREADS, THROUGHPUT].into_iter().all(|line| lines.rounds(line, 1).is_none()) {
        return;
    }
    let Some(server) = RedisServer::start_or_skip().expect("it starts") else { return };
    let (signed, trusted) = signed_guest();
    let runtime = current_thread();
    let store = runtime.block_on(Redis::connect(&server.url())).expect("it is there");
    let store: Arc<dyn KeyValue> = Arc::new(store);
    runtime.block_on(store.set("key", bytes(16), SetOptions::default()).wait()).expect("it is set");
    let (host, actor) = host(&signed, &trusted, &store, HostConfig::default());
    let host = Arc::new(host);
    let (threads_before, threads_during) = (threads(), Arc::new(AtomicUsize::new(0)));

    let get = move || {
        let store = Arc::clone(&store);
        async move {
            let entry = store.get("key").wait().await.expect("it is answered");
            assert_eq!(entry.map(|it| it.value.len()), Some(16));
        }
    };
    let seen = Arc::clone(&threads_during);
    let ask = move || {
        let call = host.call(&actor, "kv.get", b"key").wait();
        let seen = Arc::clone(&seen);
        async move {
            let response = call.await.expect("it is answered");
            assert_eq!(response.len(), 16);
            if seen.load(Ordering::Relaxed) == 0 {
                seen.store(threads(), Ordering::Relaxed);
            }
        }
    };
    let mut native = Way::batched("native", |times| runtime.block_on(in_flight(times, get.clone())));
    let mut guest = Way::batched("guest", |times| runtime.block_on(in_flight(times, ask.clone())));
    lines.throughput(GROUP, Goal::AtLeast(0.8), [&mut native, &mut guest]);
    drop((native, guest));
    let during = threads_during.load(Ordering::Relaxed) as f64;
    let beside = format!("{threads_before} before");
    lines.value(THREADS, Goal::AtMost(2.0), vec![during - threads_before as f64], &beside);
}

/// Makes so many calls, as many as may be at a time.
async fn in_flight<F: Future<Output = ()> + Send + 'static>(
    times: u64,
    call: impl Fn() -> F + Clone + Send + 'static,
) {
    let left = Arc::new(AtomicU64::new(times));
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (left, call) = (Arc::clone(&left), call.clone());
        tasks.spawn(async move {
            let one_less = |left: u64| left.checked_sub(1);
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() {
                call().await;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.expect("no call panics");
    }
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}
