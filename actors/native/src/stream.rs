//! A sidecar over one long stream of gRPC.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::uri::PathAndQuery;
use pillion_calls::{Call, Outcome, Reply, Request, STREAM};
use pillion_logic::CallError;
use tokio::sync::{mpsc, oneshot};
use tonic::Streaming;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use crate::Address;
use crate::calls::{Calls, Carrier};
use crate::channel::{self, MOST_BYTES};
use crate::token::{API_TOKEN, ApiToken};

/// A sidecar over one long stream of gRPC, which is not Dapr's: calls are numbered, so that any number are under way on
/// it.
pub type StreamSidecar = Calls<StreamCarrier>;

/// The stream and what it takes to open another one.
pub struct StreamCarrier {
    channel: Channel,
    address: Address,
    token: Option<MetadataValue<Ascii>>,
    line: Mutex<Option<Arc<Line>>>,
    opening: tokio::sync::Mutex<()>,
}

/// One stream.
struct Line {
    calls: mpsc::UnboundedSender<Call>,
    last: AtomicU64,
    waiting: Mutex<Waiting>,
}

/// Who waits for a reply, by number; why nobody can any more, once the stream has ended.
#[derive(Default)]
struct Waiting {
    callers: HashMap<u64, oneshot::Sender<Reply>>,
    ended: Option<String>,
}

// === impl StreamSidecar ===

impl StreamSidecar {
    /// Connects to the sidecar at `address` for the state store `store`. The stream is opened with the first call.
    ///
    /// # Errors
    /// When the sidecar cannot be reached.
    pub async fn connect(address: Address, store: &str) -> Result<Self, CallError> {
        let channel = channel::connect(&address).await?;
        let carrier = StreamCarrier {
            channel,
            address,
            token: None,
            line: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
        };
        Ok(Self { carrier, store: store.to_owned(), bulk: false })
    }

    /// The same client with the token that the sidecar asks for.
    #[must_use]
    pub fn with_token(mut self, token: &ApiToken) -> Self {
        // What a token consists of goes over gRPC too.
        self.carrier.token = token.0.to_str().ok().and_then(|token| token.parse().ok());
        self
    }
}

// === impl StreamCarrier ===

impl StreamCarrier {
    /// The stream, if there is one that has not ended.
    fn current(&self) -> Option<Arc<Line>> {
        let line = locked(&self.line).clone()?;
        let open = locked(&line.waiting).ended.is_none();
        open.then_some(line)
    }

    async fn line(&self) -> Result<Arc<Line>, CallError> {
        if let Some(line) = self.current() {
            return Ok(line);
        }
        // One opens it, the others wait for that.
        let _turn = self.opening.lock().await;
        if let Some(line) = self.current() {
            return Ok(line);
        }
        let line = self.open().await?;
        *locked(&self.line) = Some(Arc::clone(&line));
        Ok(line)
    }

    async fn open(&self) -> Result<Arc<Line>, CallError> {
        let mut client = Grpc::new(self.channel.clone()).max_decoding_message_size(MOST_BYTES);
        client.ready().await.map_err(|error| self.failed(&error))?;
        let (calls, mut queue) = mpsc::unbounded_channel();
        let queue = futures_util::stream::poll_fn(move |context| queue.poll_recv(context));
        let mut request = tonic::Request::new(queue);
        if let Some(token) = &self.token {
            request.metadata_mut().insert(API_TOKEN, token.clone());
        }
        let codec = ProstCodec::<Call, Reply>::default();
        let opened = client.streaming(request, PathAndQuery::from_static(STREAM), codec).await;
        let replies = opened.map_err(|status| self.refused(&status))?.into_inner();
        let line = Arc::new(Line { calls, last: AtomicU64::new(0), waiting: Mutex::default() });
        tokio::spawn(Arc::clone(&line).hand_out(replies));
        Ok(line)
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> CallError {
        CallError(format!("sidecar at {}: {reason}; is it running?", self.address))
    }

    fn refused(&self, status: &tonic::Status) -> CallError {
        self.failed(&format!("{} ({:?})", status.message(), status.code()))
    }
}

impl Carrier for StreamCarrier {
    fn place(&self) -> String {
        self.address.to_string()
    }

    async fn call(&self, request: Request) -> Result<Option<Outcome>, CallError> {
        let line = self.line().await?;
        let id = line.last.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        {
            let mut waiting = locked(&line.waiting);
            if let Some(reason) = &waiting.ended {
                return Err(self.failed(reason));
            }
            waiting.callers.insert(id, sender);
        }
        // It fails where the stream has ended, which then takes the caller out of those that wait.
        let _ = line.calls.send(Call { id, request: Some(request) });
        match reply.await {
            Ok(reply) => Ok(reply.outcome),
            Err(_) => {
                let reason = locked(&line.waiting).ended.clone();
                Err(self.failed(&reason.unwrap_or_else(|| "the call was given up".to_owned())))
            }
        }
    }
}

// === impl Line ===

impl Line {
    /// Hands out replies until there are no more.
    async fn hand_out(self: Arc<Self>, mut replies: Streaming<Reply>) {
        let reason = loop {
            match replies.message().await {
                Ok(Some(reply)) => {
                    let caller = locked(&self.waiting).callers.remove(&reply.id);
                    if let Some(caller) = caller {
                        // The caller may have given up.
                        let _ = caller.send(reply);
                    }
                }
                Ok(None) => break "the stream was ended before the reply came".to_owned(),
                Err(status) => break format!("{} ({:?})", status.message(), status.code()),
            }
        };
        let mut waiting = locked(&self.waiting);
        waiting.ended = Some(reason);
        waiting.callers.clear();
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
