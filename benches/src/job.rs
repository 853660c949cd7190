//! What the harness and a runner process say to each other: one JSON value a line.
//!
//! The harness writes a [`Job`]; the runner opens its app and answers [`Reply::Ready`]; the harness looks at the
//! sockets and writes [`GO`]; the runner answers one [`Reply::Cell`] per cell and ends.

use std::path::PathBuf;

use pillion_records::{Cell, Outcome};
use serde::{Deserialize, Serialize};

/// The harness's word to begin.
pub const GO: &str = "go";

/// What a runner process has to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The lane, for messages.
    pub lane: String,
    /// The cells in their order. All are of one kind of load: one in flight, or several.
    pub cells: Vec<Cell>,
    /// The measured time of a block in ns.
    pub block_ns: u64,
    /// The seed of every request.
    pub seed: u64,
    /// The CPUs that may be used.
    pub cpus: Vec<usize>,
    /// What the other processes are, to pin them and to read their clocks.
    pub processes: Vec<Process>,
    /// Where the stores are, for an app that reaches its provider itself.
    pub stores: Vec<Store>,
    /// The sidecar, for an app beside one.
    pub sidecar: Option<Endpoints>,
    /// `http`, `http2`, `grpc`, `stream` or `shared-memory`, for an app beside a sidecar.
    pub protocol: Option<String>,
    /// `tcp`, `uds` or `memory`, for an app beside a sidecar.
    pub transport: Option<String>,
    /// Whether the app polls its connection without pause.
    #[serde(default)]
    pub busy_poll: bool,
    /// Whether the app asks for several keys in one call where its logic needs them together.
    #[serde(default)]
    pub bulk: bool,
    /// Whether the app sends over one HTTP/1.1 connection without waiting for answers.
    #[serde(default)]
    pub pipelined: bool,
    /// The signed guest, for an app in WebAssembly.
    pub guest: Option<Guest>,
    /// What makes the guest run in our host; its own choice where it is not given.
    #[serde(default)]
    pub compiler: Option<String>,
    /// The apps whose transcripts are to be played. Then nothing is measured, and `cells` is empty.
    #[serde(default)]
    pub transcripts: Vec<pillion_transcripts::App>,
    /// Calls that reach the provider for one atomic add: above 1 where the lane has to build it from others.
    pub calls_per_add: u64,
    /// A directory that outlives the process, for what may be compiled once.
    pub cache: PathBuf,
}

/// Another process of the lane.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Process {
    /// `sidecar` or `provider`.
    pub role: String,
    /// Its id.
    pub pid: i32,
    /// The only provider whose cells it takes part in, for a provider's server.
    pub provider: Option<String>,
}

/// A store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Store {
    /// `memory`, `redis`, `redb`; also the name of the sidecar's component.
    pub provider: String,
    /// `host:port` of the server, or the path of the file; empty for `memory`.
    pub address: String,
}

/// Where a sidecar listens, as it says itself when it is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Endpoints {
    /// `host:port` for HTTP.
    pub http: String,
    /// `host:port` for gRPC.
    pub grpc: String,
    /// The Unix socket for HTTP.
    pub http_socket: Option<PathBuf>,
    /// The Unix socket for gRPC.
    pub grpc_socket: Option<PathBuf>,
    /// `host:port` of the metrics.
    pub metrics: String,
    /// The name of the shared memory.
    #[serde(default)]
    pub shared_memory: Option<String>,
    /// Whether it was built with optimization; one that does not tell was not.
    #[serde(default)]
    pub release: bool,
}

/// A signed WebAssembly guest.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Guest {
    /// The signed module.
    pub path: PathBuf,
    /// The public key of the account that signed it.
    pub issuer: String,
}

/// What a runner answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// The app is open, with all its connections.
    Ready {
        /// Whether it was built with optimization.
        release: bool,
    },
    /// One cell is done.
    Cell(Box<CellReply>),
    /// One transcript was played.
    Transcript {
        /// Whose.
        app: pillion_transcripts::App,
        /// What came of it.
        outcome: pillion_transcripts::Outcome,
    },
    /// The app could not be opened.
    Fatal {
        /// Why.
        reason: String,
    },
}

/// What came of one cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CellReply {
    /// Which.
    pub cell: Cell,
    /// When the measured time began, as RFC 3339 in UTC.
    pub began: String,
    /// The measured time on the monotonic clock, in ns: from here.
    pub from_ns: u64,
    /// To here.
    pub to_ns: u64,
    /// Time stolen by the hypervisor meanwhile, over all CPUs, in ns.
    pub steal_ns: u64,
    /// How long a fixed piece of work took right before and after, in ns.
    #[serde(default)]
    pub work_ns: [u64; 2],
    /// What came of it.
    pub outcome: Outcome,
}
