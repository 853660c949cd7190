//! HTTP/1.1 connections that are kept and used again.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;

use crate::Address;

/// More calls than this wait for a connection.
const MOST_CONNECTIONS: usize = 256;

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}
pub(crate) trait Reading: AsyncRead + Send + Unpin {}
impl<T: AsyncRead + Send + Unpin> Reading for T {}
pub(crate) trait Writing: AsyncWrite + Send + Unpin {}
impl<T: AsyncWrite + Send + Unpin> Writing for T {}
type Driver = http1::Connection<TokioIo<Box<dyn Stream>>, Full<Bytes>>;

/// The connections to one address.
pub(crate) struct Pool {
    address: Address,
    permits: Semaphore,
    /// The last one used is taken first: it is the warmest.
    idle: Mutex<Vec<Connection>>,
}

/// One connection. Whoever makes a call also drives it: no task stands between caller and socket.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: Pin<Box<Driver>>,
}

/// Why a call brought no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the connection was closed before the response was complete")]
    Closed,
}

/// A call that failed, and its request if nothing of it was sent.
struct Failed {
    error: ConnectionError,
    unsent: Option<Request<Full<Bytes>>>,
}

// === impl Failed ===

impl Failed {
    fn under_way(error: impl Into<ConnectionError>) -> Self {
        Self { error: error.into(), unsent: None }
    }
}

// === impl Pool ===

impl Pool {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, permits: Semaphore::new(MOST_CONNECTIONS), idle: Mutex::default() }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn call(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, ConnectionError> {
        // It fails only when it is closed, and nobody closes it.
        let _permit = self.permits.acquire().await.map_err(|_| ConnectionError::Closed)?;
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let used = idle.is_some();
            let mut connection = match idle {
                Some(connection) => connection,
                None => Connection::open(&self.address).await?,
            };
            match connection.exchange(request).await {
                Ok(response) => {
                    if !connection.sender.is_closed() {
                        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                    }
                    return Ok(response);
                }
                // The other side had closed the connection while it was idle, and saw nothing of the request.
                Err(Failed { unsent: Some(again), .. }) if used => request = again,
                Err(failed) => return Err(failed.error),
            }
        }
    }
}

// === impl Connection ===

impl Connection {
    async fn open(address: &Address) -> Result<Self, ConnectionError> {
        let stream = connect(address).await.map_err(ConnectionError::Connect)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, driver: Box::pin(driver) })
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Failed> {
        let Self { sender, driver } = self;
        let mut work = pin!(async move {
            if let Err(error) = sender.ready().await {
                return Err(Failed { error: error.into(), unsent: Some(request) });
            }
            let response = sender.try_send_request(request).await.map_err(|mut failed| Failed {
                unsent: failed.take_message(),
                error: failed.into_error().into(),
            })?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(Failed::under_way)?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        });
        poll_fn(|context| {
            // Twice, because a head that was read makes the body wanted, without another turn of the executor.
            for _ in 0..2 {
                if let Poll::Ready(result) = work.as_mut().poll(context) {
                    return Poll::Ready(result);
                }
                if let Poll::Ready(end) = driver.as_mut().poll(context) {
                    return match work.as_mut().poll(context) {
                        Poll::Ready(result) => Poll::Ready(result),
                        Poll::Pending => {
                            let error = end.err().map_or(ConnectionError::Closed, Into::into);
                            Poll::Ready(Err(Failed::under_way(error)))
                        }
                    };
                }
            }
            work.as_mut().poll(context)
        })
        .await
    }
}

pub(crate) async fn connect(address: &Address) -> io::Result<Box<dyn Stream>> {
    Ok(match address {
        Address::Tcp(address) => Box::new(tcp(address).await?),
        Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
    })
}

/// The same as halves that two tasks can use at the same time.
pub(crate) async fn halves(address: &Address) -> io::Result<(Box<dyn Reading>, Box<dyn Writing>)> {
    Ok(match address {
        Address::Tcp(address) => {
            let (reading, writing) = tcp(address).await?.into_split();
            (Box::new(reading), Box::new(writing))
        }
        Address::Unix(path) => {
            let (reading, writing) = UnixStream::connect(path).await?.into_split();
            (Box::new(reading), Box::new(writing))
        }
    })
}

async fn tcp(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // Delayed small segments would add 40 ms to what is measured; the kernel is asked whether they are off.
    if !stream.nodelay()? {
        return Err(io::Error::other("TCP_NODELAY does not stay set"));
    }
    Ok(stream)
}
