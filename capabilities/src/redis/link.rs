//! The one connection that all calls share.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, IntoConnectionInfo, Pipeline, ProtocolVersion, RedisError,
    Script, ServerErrorKind,
};

use crate::{Error, Result};

/// The connection, multiplexed: calls are written one after another without waiting for answers. It notices by
/// itself when the server goes, and reconnects in the background and with each call until it is back.
#[derive(Clone)]
pub(crate) struct Link {
    manager: ConnectionManager,
    /// Names the server in errors.
    name: Arc<str>,
}

/// Bounds a call whose server was reached and stays silent.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Bounds an attempt to connect.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Calls that may wait to be written at a time; more wait for their turn.
const PIPELINE: usize = 1024;

// === impl Link ===

impl Link {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        // What stands before an @ may be a password.
        let shown = url.rsplit('@').next().unwrap_or_default();
        let refuse = |error: RedisError| {
            Error::InvalidArgument(format!(
                "{shown:?} is no Redis URL ({error}); give one such as redis://127.0.0.1:6379"
            ))
        };
        let info = url.into_connection_info().map_err(refuse)?;
        // The newer protocol tells the manager of a lost connection at once, and not only with the next call.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        // A command that is written while an answer is awaited must not wait for that answer's acknowledgement.
        let tcp = info.tcp_settings().clone().set_nodelay(true);
        let info = info.set_redis_settings(settings).set_tcp_settings(tcp);
        let name = format!("redis at {}", info.addr()).into();
        let client = Client::open(info).map_err(refuse)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50))
            .set_connection_timeout(Some(CONNECTION_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_pipeline_buffer_size(PIPELINE);
        let manager = ConnectionManager::new_with_config(client, config).await;
        match manager {
            Ok(manager) => Ok(Self { manager, name }),
            Err(error) => Err(into_error(&name, &error)),
        }
    }

    pub(crate) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, RedisError> {
        match command.query_async(&mut self.manager.clone()).await {
            Err(error) if never_sent(&error) => command.query_async(&mut self.manager.clone()).await,
            result => result,
        }
    }

    pub(crate) async fn pipeline<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<T, RedisError> {
        match commands.query_async(&mut self.manager.clone()).await {
            Err(error) if never_sent(&error) => commands.query_async(&mut self.manager.clone()).await,
            result => result,
        }
    }

    /// Calls a script by its hash, and teaches it to the server if it does not know it (any more).
    pub(crate) async fn script<T: FromRedisValue>(
        &self,
        script: &Script,
        call: &Cmd,
    ) -> Result<T, RedisError> {
        match self.query(call).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                script.load_async(&mut self.manager.clone()).await?;
                self.query(call).await
            }
            result => result,
        }
    }

    pub(crate) fn error(&self, error: &RedisError) -> Error {
        into_error(&self.name, error)
    }

    /// The answer was not one that this provider's commands can have.
    pub(crate) fn misunderstood(&self, what: &str) -> Error {
        self.failed(format!("it answered {what}"))
    }

    /// The server was reached, and cannot be used for this reason.
    pub(crate) fn failed(&self, reason: String) -> Error {
        Error::Failed { provider: (*self.name).to_owned(), reason }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Link").field(&self.name).finish()
    }
}

/// Whether the call failed since no connection could be made, maybe long ago: then it may safely be tried once
/// more, and that attempt makes a new connection.
fn never_sent(error: &RedisError) -> bool {
    error.is_connection_refusal()
}

/// What is wrong with the server's certificate, if that is why there is no connection.
fn certificate(error: &RedisError) -> Option<&rustls::Error> {
    // The crate shares what it was.
    let shared = error.source()?.downcast_ref::<Arc<dyn std::error::Error + Send + Sync>>()?;
    let inner = shared.downcast_ref::<std::io::Error>()?.get_ref()?;
    inner.downcast_ref().filter(|error| matches!(error, rustls::Error::InvalidCertificate(_)))
}

fn into_error(name: &str, error: &RedisError) -> Error {
    let (provider, reason) = (name.to_owned(), error.to_string());
    if let Some(error) = certificate(error) {
        let remedy = "its authority has to be among the system's, or in the file that SSL_CERT_FILE names, and it has to be \
                      for the host that is connected to";
        return Error::Failed { provider, reason: format!("{error}; {remedy}") };
    }
    let unavailable = error.is_io_error()
        || error.is_connection_dropped()
        || error.is_timeout()
        || matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown)
        );
    if unavailable { Error::Unavailable { provider, reason } } else { Error::Failed { provider, reason } }
}
