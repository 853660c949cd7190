//! What a hop through shared memory costs: 16 bytes there and back between two processes, without a sidecar's work.
//!
//! `cargo run --release -p pillion-shared-memory --example hop [blocks [calls [form]]]`
//!
//! Beside our client and server it runs what they could stand on, bare: messages published each way, and requests with
//! responses, with as many channels as 64 calls under way take (65) and with few (2). Every form has a process of its
//! own at the other end, on the same core or on another one. Times are of blocks of calls, one after another: the least
//! and the median, in ns per call. On a machine that others use the least is what counts.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a program to be run by hand: what fails ends it, and says so"
)]

use std::hint::spin_loop;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread::yield_now;
use std::time::Instant;

use dapr::dapr::proto::runtime::v1::GetStateRequest;
use iceoryx2::prelude::{AllocationStrategy, LogLevel, NodeBuilder, SignalHandlingMode, ipc, set_log_level};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use pillion_calls::{GetStateResponse, Outcome, Reply, Request};
use pillion_shared_memory::{Client, Server};

const FORMS: [(&str, bool); 6] = [
    ("published", true),
    ("requests/2", true),
    ("requests/65", true),
    ("ours, spinning", true),
    ("published", false),
    ("ours, spinning", false),
];
const VALUE: [u8; 16] = *b"sixteen bytes ..";

fn main() {
    set_log_level(LogLevel::Fatal);
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, role, form, name, core] = &arguments[..]
        && role == "serve"
    {
        pin(core.parse().unwrap());
        serve(form, name);
        return;
    }
    let number = |index: usize, default: usize| arguments.get(index).map_or(default, |n| n.parse().unwrap());
    let (blocks, calls) = (number(1, 100), number(2, 1_000));
    let cores = cores();
    let [here, there, ..] = cores[..] else { panic!("two cores are needed") };
    pin(here);
    println!("{:<34} {:>8} {:>8}", "ns per call", "least", "median");
    let forms = FORMS
        .into_iter()
        .chain([("ours, spinning then sleeping", true), ("ours, spinning then sleeping", false)]);
    for (form, other) in forms {
        if arguments.get(3).is_some_and(|only| !form.contains(only.as_str())) {
            continue;
        }
        let (place, core) = if other { ("other core", there) } else { ("same core", here) };
        let name = format!("hop-{}", std::process::id());
        let peer = Peer::start(form, &name, core);
        let mut times = measure(form, &name, other, blocks, calls);
        drop(peer);
        times.sort_by(f64::total_cmp);
        println!("{:<34} {:>8.0} {:>8.0}", format!("{form}, {place}"), times[0], times[times.len() / 2]);
    }
}

fn cores() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap();
    (0..CpuSet::count()).filter(|&core| set.is_set(core).unwrap()).collect()
}

fn pin(core: usize) {
    let mut set = CpuSet::new();
    set.set(core).unwrap();
    sched_setaffinity(Pid::from_raw(0), &set).unwrap();
}

/// The process at the other end.
struct Peer(Child);

impl Peer {
    fn start(form: &str, name: &str, core: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", form, name, &core.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn measure(form: &str, name: &str, other: bool, blocks: usize, calls: usize) -> Vec<f64> {
    let rest = if other { spin_loop } else { yield_now };
    match form {
        "published" => {
            let node = node();
            let (there, back) = (messages(&node, name, "there"), messages(&node, name, "back"));
            let publisher = publisher(&there);
            let subscriber = back.subscriber_builder().create().unwrap();
            timed(blocks, calls, || {
                publish(&publisher, &VALUE);
                loop {
                    if let Some(sample) = subscriber.receive().unwrap() {
                        assert_eq!(sample.payload(), VALUE);
                        break;
                    }
                    rest();
                }
            })
        }
        "requests/2" | "requests/65" => {
            let node = node();
            let service = requests(&node, name, form);
            let client = service
                .client_builder()
                .initial_max_slice_len(1_024)
                .allocation_strategy(AllocationStrategy::Static)
                .create()
                .unwrap();
            timed(blocks, calls, || {
                let mut request = client.loan_slice(VALUE.len()).unwrap();
                request.payload_mut().copy_from_slice(&VALUE);
                let pending = request.send().unwrap();
                loop {
                    if let Some(response) = pending.receive().unwrap() {
                        assert_eq!(response.payload(), VALUE);
                        break;
                    }
                    rest();
                }
            })
        }
        form => {
            let client = Client::new(name, None, form == "ours, spinning");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let expected = Some(Outcome::Got(GetStateResponse {
                data: VALUE.to_vec().into(),
                etag: "1".to_owned(),
                ..Default::default()
            }));
            runtime.block_on(async {
                let mut times = Vec::new();
                for _ in 0..blocks {
                    let start = Instant::now();
                    for _ in 0..calls {
                        let request = Request::Get(GetStateRequest {
                            store_name: "store".to_owned(),
                            key: "key".to_owned(),
                            ..Default::default()
                        });
                        assert_eq!(client.call(request).await.unwrap(), expected);
                    }
                    times.push(start.elapsed().as_nanos() as f64 / calls as f64);
                }
                times
            })
        }
    }
}

fn timed(blocks: usize, calls: usize, mut call: impl FnMut()) -> Vec<f64> {
    let block = |_| {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        start.elapsed().as_nanos() as f64 / calls as f64
    };
    (0..blocks).map(block).collect()
}

fn serve(form: &str, name: &str) {
    match form {
        "published" => {
            let node = node();
            let (there, back) = (messages(&node, name, "there"), messages(&node, name, "back"));
            let publisher = publisher(&back);
            let subscriber = there.subscriber_builder().create().unwrap();
            println!("ready");
            let mut looks = 0_u32;
            loop {
                looks += 1;
                if let Some(sample) = subscriber.receive().unwrap() {
                    publish(&publisher, sample.payload());
                    looks = 0;
                } else if looks > 256 || is_shared() {
                    yield_now();
                }
            }
        }
        "requests/2" | "requests/65" => {
            let node = node();
            let service = requests(&node, name, form);
            let server = service
                .server_builder()
                .initial_max_slice_len(1_024)
                .allocation_strategy(AllocationStrategy::Static)
                .create()
                .unwrap();
            println!("ready");
            loop {
                if let Some(request) = server.receive().unwrap() {
                    let mut response = request.loan_slice(request.payload().len()).unwrap();
                    response.payload_mut().copy_from_slice(request.payload());
                    response.send().unwrap();
                }
            }
        }
        form => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::open(name, None, 1 << 20).unwrap();
                println!("ready");
                let got = GetStateResponse {
                    data: VALUE.to_vec().into(),
                    etag: "1".to_owned(),
                    ..Default::default()
                };
                let answer = move |call: pillion_calls::Call| {
                    let outcome = Some(Outcome::Got(got.clone()));
                    async move { Reply { id: call.id, outcome } }
                };
                server.run(answer, form == "ours, spinning", std::future::pending()).await;
            });
        }
    }
}

/// Whether both ends run on one core, the first one.
fn is_shared() -> bool {
    static SHARED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *SHARED.get_or_init(|| cores().first() == Some(&0))
}

type Service = ipc::Service;

fn node() -> iceoryx2::node::Node<Service> {
    let mut config = iceoryx2::config::Config::global_config().clone();
    config.defaults.publish_subscribe.subscriber_expired_connection_buffer = 2;
    let builder = NodeBuilder::new().signal_handling_mode(SignalHandlingMode::Disabled).config(&config);
    builder.create::<Service>().unwrap()
}

fn messages(
    node: &iceoryx2::node::Node<Service>,
    name: &str,
    way: &str,
) -> iceoryx2::service::port_factory::publish_subscribe::PortFactory<Service, [u8], ()> {
    node.service_builder(&format!("{name}/{way}").as_str().try_into().unwrap())
        .publish_subscribe::<[u8]>()
        .max_publishers(4)
        .max_subscribers(1)
        .subscriber_max_buffer_size(64)
        .enable_safe_overflow(false)
        .open_or_create()
        .expect("a service")
}

fn publisher(
    service: &iceoryx2::service::port_factory::publish_subscribe::PortFactory<Service, [u8], ()>,
) -> iceoryx2::port::publisher::Publisher<Service, [u8], ()> {
    service
        .publisher_builder()
        .initial_max_slice_len(1_024)
        .allocation_strategy(AllocationStrategy::Static)
        .create()
        .unwrap()
}

fn publish(publisher: &iceoryx2::port::publisher::Publisher<Service, [u8], ()>, bytes: &[u8]) {
    let mut sample = publisher.loan_slice(bytes.len()).unwrap();
    sample.payload_mut().copy_from_slice(bytes);
    sample.send().unwrap();
}

fn requests(
    node: &iceoryx2::node::Node<Service>,
    name: &str,
    form: &str,
) -> iceoryx2::service::port_factory::request_response::PortFactory<Service, [u8], (), [u8], ()> {
    let most = if form == "requests/2" { 2 } else { 65 };
    node.service_builder(&format!("{name}/calls").as_str().try_into().unwrap())
        .request_response::<[u8], [u8]>()
        .max_servers(1)
        .max_clients(4)
        .max_active_requests_per_client(most)
        .max_loaned_requests(most)
        .max_response_buffer_size(1)
        .max_borrowed_responses_per_pending_response(1)
        .enable_safe_overflow_for_requests(false)
        .enable_safe_overflow_for_responses(false)
        .enable_fire_and_forget_requests(false)
        .open_or_create()
        .expect("a service")
}
