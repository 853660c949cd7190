//! Listeners over TCP and Unix sockets.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt::{set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use super::StartError;

/// Accepts connections.
pub(super) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, PathBuf),
}

/// A client of which nothing is heard for so long is asked by the system whether it is there; Go's listeners do the same.
const SILENCE: Duration = Duration::from_secs(15);
/// So often, before its connection is over.
const QUESTIONS: u32 = 9;

/// One connection. A type for both, as all that is made for it would be there twice otherwise: half a megabyte of code.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// The file of a Unix socket; it goes with its listener.
pub(super) struct SocketFile(PathBuf);

// === impl Listener ===

impl Listener {
    pub(super) async fn tcp(what: &'static str, address: SocketAddr) -> Result<Self, StartError> {
        let listening = async {
            let listener = TcpListener::bind(address).await?;
            let address = listener.local_addr()?;
            ask_the_silent(&listener)?;
            Ok(Self::Tcp(listener, address))
        };
        listening.await.map_err(|error: io::Error| {
            let reason = match error.kind() {
                ErrorKind::AddrInUse => {
                    "the port is in use by another process; choose another one, or 0 for a free one"
                        .to_owned()
                }
                _ => error.to_string(),
            };
            StartError::Listen { what, address: address.to_string(), reason }
        })
    }

    pub(super) async fn unix(what: &'static str, path: PathBuf) -> Result<(Self, SocketFile), StartError> {
        let failed =
            |reason: String| StartError::Listen { what, address: path.display().to_string(), reason };
        remove_stale(&path).await.map_err(failed)?;
        let listener = UnixListener::bind(&path).map_err(|error| {
            failed(match error.kind() {
                ErrorKind::NotFound => "its folder is not there; make it first".to_owned(),
                ErrorKind::InvalidInput => format!("{error}; choose a folder with a shorter path"),
                _ => error.to_string(),
            })
        })?;
        Ok((Self::Unix(listener, path.clone()), SocketFile(path)))
    }

    /// Address and port, or path.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Tcp(_, address) => address.to_string(),
            Self::Unix(_, path) => path.display().to_string(),
        }
    }

    pub(super) async fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener, _) => {
                let (stream, _) = listener.accept().await?;
                // Answers are one write each; waiting for more to send would only delay them.
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener, _) => listener.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }
}

// === impl Stream ===

/// Does the same with whichever it is.
macro_rules! either {
    ($stream:expr, $it:ident => $does:expr) => {
        match $stream {
            Stream::Tcp($it) => $does,
            Stream::Unix($it) => $does,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self.get_mut(), it => Pin::new(it).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), it => Pin::new(it).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), it => Pin::new(it).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        either!(self, it => it.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), it => Pin::new(it).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), it => Pin::new(it).poll_shutdown(cx))
    }
}

// === impl SocketFile ===

impl SocketFile {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!("cannot remove the socket {}: {error}", self.0.display());
        }
    }
}

/// Waits a little when accepting failed for want of a resource: it would fail again at once.
pub(super) async fn pause_after(error: &io::Error) {
    if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) {
        return;
    }
    tracing::warn!("cannot accept a connection: {error}");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

/// Has the system find out which clients are gone without a word. Accepted connections are as their listener is (tcp(7)).
fn ask_the_silent(listener: &TcpListener) -> io::Result<()> {
    set_socket_keepalive(listener, true)?;
    set_tcp_keepidle(listener, SILENCE)?;
    set_tcp_keepintvl(listener, SILENCE)?;
    set_tcp_keepcnt(listener, QUESTIONS)?;
    Ok(())
}

/// Removes a socket that a dead process left behind, and nothing else.
async fn remove_stale(path: &Path) -> Result<(), String> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err("there is a file of that name that is not a socket; move it away".to_owned());
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err("another process listens there; stop it, or choose another folder or app id".to_owned()),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path)
            .map_err(|error| format!("the socket of a dead process is in the way: {error}")),
        Err(error) => Err(error.to_string()),
    }
}
