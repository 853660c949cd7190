//! The listeners and the life of the process.

mod listen;
mod patience;
mod serve;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper_util::server::graceful::GracefulShutdown;
use pillion_capabilities::trace::Tracing;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::{self, App, AppAddressError};
use crate::component::{self, ComponentError, Loader};
use crate::config::{self, Config, ConfigError, Settings};
use crate::metrics::Metrics;
use crate::shared_memory::SharedMemory;
use crate::{Flags, Sidecar, invoke, resiliency};
use listen::{Listener, SocketFile};
use serve::{Protocol, Service};

/// A sidecar that listens.
pub struct Server {
    sidecar: Arc<Sidecar>,
    ready: Ready,
    accepting: JoinSet<()>,
    connections: Arc<GracefulShutdown>,
    closing: watch::Sender<bool>,
    patience: Duration,
    /// How long it serves on after it is told to stop.
    block: Option<Duration>,
    shared_memory: Option<SharedMemory>,
    /// Removed when the server goes.
    socket_files: Vec<SocketFile>,
}

/// Where a sidecar listens: the line it prints when it is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ready {
    /// Always true.
    pub ready: bool,
    /// Address and port of HTTP.
    pub http: String,
    /// Address and port of gRPC.
    pub grpc: String,
    /// The Unix socket of HTTP.
    pub http_socket: Option<PathBuf>,
    /// The Unix socket of gRPC.
    pub grpc_socket: Option<PathBuf>,
    /// Address and port of the metrics.
    pub metrics: Option<String>,
    /// Address and port for other sidecars.
    pub internal: String,
    /// Address and port of health and metadata for anybody.
    pub public: Option<String>,
    /// The name of the shared memory.
    pub shared_memory: Option<String>,
    /// Whether it was built with optimization: a benchmark wants no other.
    pub release: bool,
}

/// Why a sidecar cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A component cannot be used.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// A configuration cannot be used.
    #[error(transparent)]
    Configuration(#[from] ConfigError),
    /// The app cannot be told by what the flags say of it.
    #[error(transparent)]
    App(#[from] AppAddressError),
    /// Tracing cannot be started.
    #[error("tracing cannot be started: {0}")]
    Tracing(pillion_capabilities::Error),
    /// An address cannot be listened on.
    #[error("cannot listen for {what} on {address}: {reason}")]
    Listen {
        /// HTTP, gRPC, metrics or public HTTP.
        what: &'static str,
        /// The address and port, or the path.
        address: String,
        /// What is in the way, and the remedy.
        reason: String,
    },
    /// Calls through shared memory cannot be taken.
    #[error("--shared-memory: {0}")]
    SharedMemory(String),
    /// No address was given.
    #[error("--dapr-listen-addresses names no address")]
    NoAddress,
}

/// What Go's server takes of a head beyond its limit, in bytes.
const HEAD_SLACK: usize = 4 << 10;
/// How long the export of the last spans may take.
const LAST_SPANS: Duration = Duration::from_secs(3);

// === impl Server ===

impl Server {
    /// Opens the components and listens. The server takes requests from then on.
    ///
    /// # Errors
    /// A component that cannot be used, or an address that cannot be listened on.
    pub async fn start(flags: &Flags) -> Result<Self, StartError> {
        for flag in &flags.without_effect {
            tracing::warn!("{flag} has no effect: what it is for is outside of what this sidecar does");
        }
        let config = Config::read(&flags.config)?;
        let tracing = config::tracing(flags, &config)?;
        let tracing =
            tracing.map(|options| Tracing::start(&options)).transpose().map_err(StartError::Tracing)?;
        let settings = Settings::new(flags, &config)?;
        let resiliency = resiliency::read(flags)?.map(Arc::new);
        let metrics = settings.metrics.enabled.then(|| Arc::new(Metrics::new(&settings.metrics)));
        let mut loader = Loader::new(flags, tracing.clone(), metrics.clone(), resiliency.clone());
        let components = loader.open().await?;
        let mut sidecar = Sidecar::new(flags.app_id.clone(), Vec::new());
        sidecar.http_pipeline = config::pipeline("httpPipeline", config.http_pipeline.as_ref(), &components)?;
        sidecar.app_pipeline =
            config::pipeline("appHttpPipeline", config.app_http_pipeline.as_ref(), &components)?;
        sidecar.set_components(components);
        sidecar.app = App::new(flags, metrics.clone())?;
        sidecar.resiliency = resiliency;
        sidecar.settings = settings;
        sidecar.metrics = metrics;
        sidecar.invoker = config::invoker(flags, &config)?;
        sidecar.invoker.endpoints = invoke::read_endpoints(flags)?;
        sidecar.api_token.clone_from(&flags.api_token);
        sidecar.max_body_size = flags.max_body_size;
        sidecar.log_requests = sidecar.settings.logging.enabled;
        if let Some(tracing) = tracing {
            sidecar.trace(tracing);
        }
        let mut server = Self::listen(flags, Arc::new(sidecar)).await?;
        server.watch(loader);
        Ok(server)
    }

    /// Listens for a sidecar that is made already.
    ///
    /// # Errors
    /// An address that cannot be listened on.
    pub async fn listen(flags: &Flags, sidecar: Arc<Sidecar>) -> Result<Self, StartError> {
        let http = Protocol::Http { http2: !flags.disable_h2c };
        let mut listeners = Vec::new();
        let mut socket_files = Vec::new();
        for (protocol, port) in [(http, flags.dapr_http_port), (Protocol::Grpc, flags.dapr_grpc_port)] {
            for address in &flags.dapr_listen_addresses {
                listeners.push((protocol, Listener::tcp(protocol.name(), (*address, port).into()).await?));
            }
        }
        let first = |wanted: Protocol| {
            let found = listeners.iter().find(|(protocol, _)| *protocol == wanted);
            found.map(|(_, listener)| listener.address()).ok_or(StartError::NoAddress)
        };
        let internal = (flags.dapr_internal_grpc_listen_address, flags.dapr_internal_grpc_port).into();
        let internal = Listener::tcp(Protocol::Internal.name(), internal).await?;
        let mut ready = Ready {
            ready: true,
            http: first(http)?,
            grpc: first(Protocol::Grpc)?,
            http_socket: None,
            grpc_socket: None,
            metrics: None,
            internal: internal.address(),
            public: None,
            shared_memory: None,
            release: !cfg!(debug_assertions),
        };
        listeners.push((Protocol::Internal, internal));
        if let Some(folder) = &flags.unix_domain_socket {
            for (protocol, place) in
                [(http, &mut ready.http_socket), (Protocol::Grpc, &mut ready.grpc_socket)]
            {
                let name = format!("dapr-{}-{}.socket", flags.app_id, protocol.scheme());
                let (listener, file) = Listener::unix(protocol.name(), folder.join(name)).await?;
                *place = Some(file.path().to_owned());
                listeners.push((protocol, listener));
                socket_files.push(file);
            }
        }
        let enabled = flags.enable_metrics && sidecar.settings.metrics.enabled;
        let metrics = enabled.then_some((flags.metrics_listen_address, flags.metrics_port));
        let public = flags.dapr_public_port.map(|port| (flags.dapr_public_listen_address, port));
        for (protocol, address, place) in
            [(Protocol::Metrics, metrics, &mut ready.metrics), (Protocol::Public, public, &mut ready.public)]
        {
            if let Some(address) = address {
                let listener = Listener::tcp(protocol.name(), address.into()).await?;
                *place = Some(listener.address());
                listeners.push((protocol, listener));
            }
        }
        let mut server = Self {
            sidecar,
            ready,
            accepting: JoinSet::new(),
            connections: Arc::default(),
            closing: watch::Sender::new(false),
            patience: flags.dapr_graceful_shutdown_seconds,
            block: flags.dapr_block_shutdown_duration,
            shared_memory: None,
            socket_files,
        };
        let max_head = flags.read_buffer_size.saturating_add(HEAD_SLACK);
        server.shared_memory = SharedMemory::start(flags, &server.sidecar).await?;
        server.ready.shared_memory = server.shared_memory.as_ref().and(flags.shared_memory.clone());
        for (protocol, listener) in listeners {
            let (sidecar, closing) = (Arc::clone(&server.sidecar), server.closing.subscribe());
            server.accept(Service { protocol, sidecar, max_head, closing }, listener);
        }
        server.sidecar.set_serving(true);
        server.attach();
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Serves until `stop` completes or a request asks for shutdown; then closes the listeners and lets requests
    /// under way finish, for as long as the flags allow.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            () = self.sidecar.stopped() => {}
        }
        let Self {
            sidecar,
            mut accepting,
            connections,
            closing,
            patience,
            block,
            shared_memory,
            socket_files,
            ..
        } = self;
        if let Some(block) = block {
            blocked(&sidecar, block).await;
        }
        sidecar.set_serving(false);
        // An app may need the sidecar for what it was sent, so that the listeners stay meanwhile.
        let begun = Instant::now();
        let settled = async { tokio::join!(sidecar.subscriptions.close(), sidecar.under_way.ended()) };
        if tokio::time::timeout(patience, settled).await.is_err() {
            tracing::warn!("events that are still with the app after {patience:?} are given up");
        }
        let patience = patience.saturating_sub(begun.elapsed());
        // While the listeners are there nobody else can have taken the sockets' names.
        drop(socket_files);
        closing.send_replace(true);
        // Each accept loop ends by itself, so that no connection is lost between accept and watch.
        while accepting.join_next().await.is_some() {}
        // The loops held the other handles.
        if let Some(connections) = Arc::into_inner(connections)
            && tokio::time::timeout(patience, connections.shutdown()).await.is_err()
        {
            tracing::warn!("requests that are still under way after {patience:?} are given up");
        }
        if let Some(shared_memory) = shared_memory {
            shared_memory.end(patience).await;
        }
        if let Some(tracing) = &sidecar.tracing {
            tracing.clone().close(LAST_SPANS).await;
        }
    }

    /// What all its connections share.
    #[must_use]
    pub fn sidecar(&self) -> &Arc<Sidecar> {
        &self.sidecar
    }

    /// Begins to take changes of the components' files.
    fn watch(&mut self, loader: Loader) {
        let mut closing = self.closing.subscribe();
        let sidecar = Arc::clone(&self.sidecar);
        self.accepting.spawn(async move {
            let hot = sidecar.settings.hot_reload;
            tokio::select! {
                biased;
                _ = closing.changed() => {}
                () = component::watch(&sidecar, loader, hot) => {}
            }
        });
    }

    /// Begins what is for the app, which may not listen yet.
    fn attach(&mut self) {
        let mut closing = self.closing.subscribe();
        let sidecar = Arc::clone(&self.sidecar);
        self.accepting.spawn(async move {
            tokio::select! {
                biased;
                _ = closing.changed() => {}
                () = app::attach(&sidecar) => {}
            }
        });
        let mut closing = self.closing.subscribe();
        let sidecar = Arc::clone(&self.sidecar);
        self.accepting.spawn(async move {
            tokio::select! {
                biased;
                _ = closing.changed() => {}
                () = app::watch_health(&sidecar) => {}
            }
        });
    }

    fn accept(&mut self, service: Service, listener: Listener) {
        let mut closing = self.closing.subscribe();
        let connections = Arc::clone(&self.connections);
        self.accepting.spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    _ = closing.changed() => break,
                    stream = listener.accept() => match stream {
                        Ok(stream) => serve::spawn(&service, stream, connections.watcher()),
                        Err(error) => listen::pause_after(&error).await,
                    },
                }
            }
        });
    }
}

/// Serves on for a while, or until the app is not healthy any more.
async fn blocked(sidecar: &Sidecar, block: Duration) {
    tracing::info!("serving on for {block:?}, or until the app is not healthy");
    let unhealthy = async {
        match &sidecar.app {
            // Its sender is in the app.
            Some(app) => drop(app.healthy().wait_for(|healthy| !healthy).await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = tokio::time::sleep(block) => {}
        () = unhealthy => tracing::info!("the app is not healthy"),
    }
}
