//! Every lane over every provider, each with a store of its own.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;

use pillion_capabilities::testing::RedisServer;
use pillion_harness::job::{Endpoints, Guest, Job, Store};
use pillion_harness::runner::{App as _, Setup, play};
use pillion_runners::{Beside, DirectApp, HostApp, OpenBeside, OpenDirect, OpenHost};
use pillion_sidecar::{Flags, Server};
use pillion_transcripts::{Outcome, Transcript};
use pillion_wapc_crate::{OpenPublished, PublishedApp};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The lanes, and what they stand on.
pub(crate) struct Lanes {
    pub(crate) all: Vec<Arc<Lane>>,
    pub(crate) runtime: Runtime,
    pub(crate) redis: Option<RedisServer>,
    _folder: TempDir,
}

/// One lane over one provider.
pub(crate) struct Lane {
    pub(crate) name: String,
    /// Calls that reach the provider for one atomic add.
    pub(crate) calls_per_add: u64,
    /// Whether several keys are asked for in one call.
    pub(crate) bulk: bool,
    app: App,
}

enum App {
    Direct(DirectApp),
    Host(Box<HostApp>),
    Published(PublishedApp),
    Beside(Box<Beside>),
}

/// In one process with the provider, or beside a sidecar.
const LANES: [(&str, Option<Way>); 16] = [
    ("direct", None),
    ("host", None),
    ("wapc-crate", None),
    ("http-tcp", Some(way("http", "tcp"))),
    ("http-uds", Some(way("http", "uds"))),
    ("http-tcp-pipelined", Some(Way { pipelined: true, ..way("http", "tcp") })),
    ("http-uds-pipelined", Some(Way { pipelined: true, ..way("http", "uds") })),
    ("http2-tcp", Some(way("http2", "tcp"))),
    ("http2-uds", Some(way("http2", "uds"))),
    ("grpc-tcp", Some(way("grpc", "tcp"))),
    ("grpc-uds", Some(way("grpc", "uds"))),
    ("stream-tcp", Some(way("stream", "tcp"))),
    ("stream-uds", Some(way("stream", "uds"))),
    ("memory", Some(way("shared-memory", "memory"))),
    ("http-bulk", Some(Way { bulk: true, ..way("http", "uds") })),
    ("grpc-bulk", Some(Way { bulk: true, ..way("grpc", "uds") })),
];

/// How many lanes there are over each provider.
pub(crate) const COUNT: usize = LANES.len();

/// How an app reaches its sidecar.
#[derive(Clone, Copy)]
struct Way {
    protocol: &'static str,
    transport: &'static str,
    bulk: bool,
    pipelined: bool,
}

const fn way(protocol: &'static str, transport: &'static str) -> Way {
    Way { protocol, transport, bulk: false, pipelined: false }
}

// === impl Lanes ===

impl Lanes {
    /// Opens every lane over memory, redb and Redis. Without `redis-server`, that provider is left out, and it is said.
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let redis = RedisServer::start_or_skip().unwrap();
        let runtime = Runtime::new().unwrap();
        let mut providers = vec!["memory", "redb"];
        providers.extend(redis.as_ref().map(|_| "redis"));
        let address = |provider: &str, lane: usize| match (provider, &redis) {
            ("redb", _) => folder.path().join(format!("{lane}.redb")).display().to_string(),
            // To each its own database of the one server.
            ("redis", Some(server)) => format!("{}/{lane}", server.address()),
            _ => String::new(),
        };
        let mut job = job(folder.path(), &pillion_artifacts::guest().unwrap());
        // A component for each lane beside the sidecar, so that no lane sees what another wrote.
        let mut components = String::new();
        for provider in &providers {
            for (number, (lane, way)) in LANES.iter().enumerate() {
                if way.is_some() {
                    components += &component(provider, lane, &address(provider, number));
                }
            }
        }
        job.sidecar = Some(runtime.block_on(sidecar(folder.path(), &components)));
        let mut all = Vec::new();
        for provider in providers {
            for (number, (lane, way)) in LANES.into_iter().enumerate() {
                job.stores =
                    vec![Store { provider: provider.to_owned(), address: address(provider, number) }];
                let app = runtime.block_on(open(&mut job, lane, way, provider));
                let calls_per_add = if way.is_some() { 2 } else { 1 };
                let (name, bulk) = (format!("{lane} over {provider}"), job.bulk);
                all.push(Arc::new(Lane { name, calls_per_add, bulk, app }));
            }
        }
        Self { all, runtime, redis, _folder: folder }
    }
}

// === impl Lane ===

impl Lane {
    pub(crate) async fn ask(&self, operation: &str, request: &[u8]) -> Result<Vec<u8>, String> {
        let mut reply = Vec::new();
        match &self.app {
            App::Direct(app) => app.call(operation, request, &mut reply).await,
            App::Host(app) => app.call(operation, request, &mut reply).await,
            App::Published(app) => app.call(operation, request, &mut reply).await,
            App::Beside(app) => app.call(operation, request, &mut reply).await,
        }
        .map(|()| reply)
    }

    pub(crate) async fn play(&self, transcript: &Transcript) -> Outcome {
        match &self.app {
            App::Direct(app) => play(app, transcript).await,
            App::Host(app) => play(&**app, transcript).await,
            App::Published(app) => play(app, transcript).await,
            App::Beside(app) => play(&**app, transcript).await,
        }
        .unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    pub(crate) async fn preload(&self, key: &str, value: &[u8]) {
        match &self.app {
            App::Direct(app) => app.preload(key, value).await,
            App::Host(app) => app.preload(key, value).await,
            App::Published(app) => app.preload(key, value).await,
            App::Beside(app) => app.preload(key, value).await,
        }
        .unwrap_or_else(|error| panic!("{}: preloading {key}: {error}", self.name));
    }

    /// How often the provider was reached so far, by its own count.
    pub(crate) async fn provider_calls(&self) -> u64 {
        match &self.app {
            App::Direct(app) => app.provider_calls().await,
            App::Host(app) => app.provider_calls().await,
            App::Published(app) => app.provider_calls().await,
            App::Beside(app) => app.provider_calls().await,
        }
        .unwrap()
    }
}

async fn open(job: &mut Job, lane: &str, way: Option<Way>, provider: &str) -> App {
    job.protocol = way.map(|way| way.protocol.to_owned());
    job.transport = way.map(|way| way.transport.to_owned());
    job.bulk = way.is_some_and(|way| way.bulk);
    job.pipelined = way.is_some_and(|way| way.pipelined);
    if way.is_some() {
        let component = format!("{provider}-{lane}");
        return App::Beside(Box::new(OpenBeside.open(job, &component).await.unwrap()));
    }
    // With a sidecar, the host would take it for its store.
    let job = Job { sidecar: None, ..job.clone() };
    match lane {
        "direct" => App::Direct(OpenDirect.open(&job, provider).await.unwrap()),
        "host" => App::Host(Box::new(OpenHost.open(&job, provider).await.unwrap())),
        "wapc-crate" => App::Published(OpenPublished.open(&job, provider).await.unwrap()),
        _ => unreachable!("{lane} is none of the lanes"),
    }
}

/// A job with a guest, signed.
pub(crate) fn job(folder: &Path, guest: &Path) -> Job {
    let path = folder.join("signed.wasm");
    let issuer = pillion_runners::sign(guest, &path).unwrap();
    Job {
        lane: String::new(),
        cells: Vec::new(),
        block_ns: 0,
        seed: 0,
        cpus: Vec::new(),
        processes: Vec::new(),
        stores: Vec::new(),
        sidecar: None,
        protocol: None,
        transport: None,
        busy_poll: false,
        bulk: false,
        pipelined: false,
        guest: Some(Guest { path, issuer }),
        compiler: None,
        transcripts: Vec::new(),
        calls_per_add: 1,
        cache: folder.join("cache"),
    }
}

fn component(provider: &str, lane: &str, address: &str) -> String {
    let (kind, settings) = match provider {
        "redb" => ("redb", format!("  - name: path\n    value: {address}\n")),
        "redis" => {
            let (host, database) = address.split_once('/').unwrap();
            let host = format!("  - name: redisHost\n    value: {host}\n");
            ("redis", format!("{host}  - name: redisDB\n    value: \"{database}\"\n"))
        }
        _ => ("in-memory", String::new()),
    };
    format!(
        "---\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {provider}-{lane}\n\
         spec:\n  type: state.{kind}\n  version: v1\n  metadata:\n  - name: keyPrefix\n    value: appid\n{settings}"
    )
}

/// Starts a sidecar with these components on the runtime; it ends with that.
async fn sidecar(folder: &Path, components: &str) -> Endpoints {
    let resources = folder.join("resources");
    std::fs::create_dir(&resources).unwrap();
    std::fs::write(resources.join("components.yaml"), components).unwrap();
    let mut flags = Flags::local("app");
    flags.resources_path = vec![resources];
    flags.unix_domain_socket = Some(folder.to_owned());
    flags.enable_metrics = true;
    flags.shared_memory = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    let server = Server::start(&flags).await.unwrap();
    let ready = server.ready().clone();
    tokio::spawn(server.run(pending()));
    Endpoints {
        http: ready.http,
        grpc: ready.grpc,
        http_socket: ready.http_socket,
        grpc_socket: ready.grpc_socket,
        metrics: ready.metrics.unwrap(),
        shared_memory: ready.shared_memory,
        release: ready.release,
    }
}

#[test]
fn pipelining_is_of_http_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut job = job(folder.path(), &pillion_artifacts::guest().unwrap());
    let nowhere = "127.0.0.1:1".to_owned();
    job.sidecar = Some(Endpoints {
        http: nowhere.clone(),
        grpc: nowhere.clone(),
        http_socket: None,
        grpc_socket: None,
        metrics: nowhere,
        shared_memory: Some("nobody".to_owned()),
        release: false,
    });
    job.transport = Some("tcp".to_owned());
    job.pipelined = true;
    let runtime = Runtime::new().unwrap();
    for protocol in ["http2", "grpc", "stream", "shared-memory"] {
        job.protocol = Some(protocol.to_owned());
        let error = runtime.block_on(OpenBeside.open(&job, "memory")).err().unwrap();
        assert!(error.contains("pipelining is of the protocol http") && error.contains(protocol), "{error}");
    }
}
