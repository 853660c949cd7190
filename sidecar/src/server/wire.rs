//! How the bytes of a connection come and go.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::patience::Progress;

/// How an HTTP/2 connection begins.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How many bytes of answers are held back at most; one that is longer goes as it is.
const HOLDING: usize = 16 << 10;
/// How long, and how many bytes of it, a client that still sends is heard out after the last answer. When a socket is
/// closed with something unread, what was sent may never be read.
const HEARING: Duration = Duration::from_secs(2);
const HEARD: u64 = 4 << 20;

/// A stream of bytes that a connection can be served on.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wire for S {}

/// A connection's bytes, counted. What is written to HTTP/1.1 is held back until nothing more can be read or done, so that
/// the answers to requests that came together go together. (hyper can do so itself, but then also holds them back while it
/// has a part of the next request, or something that is none, and the client may wait for the answer.)
pub(super) struct Counted<S: Wire> {
    /// There until it is dropped.
    stream: Option<S>,
    /// What was read to tell the version, and how much of it.
    first: [u8; PREFACE.len()],
    held: usize,
    /// How much of that was handed out.
    given: usize,
    /// What is held back, from `sent` on.
    waiting: Vec<u8>,
    sent: usize,
    progress: Arc<Progress>,
}

// === impl Counted ===

impl<S: Wire> Counted<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>) -> Self {
        Self {
            stream: Some(stream),
            first: [0; PREFACE.len()],
            held: 0,
            given: 0,
            waiting: Vec::new(),
            sent: 0,
            progress,
        }
    }

    /// Reads as much as it takes to tell whether the client begins HTTP/2. What was read is not lost.
    pub(super) async fn begins_http2(&mut self) -> io::Result<bool> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        while let Some(room) = self.first.get_mut(self.held..).filter(|room| !room.is_empty()) {
            let count = stream.read(room).await?;
            self.progress.read.fetch_add(count as u64, Ordering::Relaxed);
            self.held += count;
            if count == 0 || !PREFACE.starts_with(self.first.get(..self.held).unwrap_or_default()) {
                return Ok(false);
            }
        }
        self.progress.http2.store(true, Ordering::Relaxed);
        Ok(true)
    }

    fn stream(&mut self) -> io::Result<&mut S> {
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Counts what was written, or that nothing could be.
    fn wrote(&self, outcome: &Poll<io::Result<usize>>) {
        let progress = &self.progress;
        if let Poll::Ready(Ok(count)) = outcome {
            progress.written.fetch_add(*count as u64, Ordering::Relaxed);
        }
        progress.stuck.store(outcome.is_pending(), Ordering::Relaxed);
    }

    /// Writes what is held back.
    fn release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.progress.holding.store(false, Ordering::Relaxed);
        while let Some(rest) = self.waiting.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let Some(stream) = &mut self.stream else { break };
            let outcome = Pin::new(stream).poll_write(cx, rest);
            self.wrote(&outcome);
            match ready!(outcome)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.sent += count,
            }
        }
        self.waiting.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Whether so many bytes are held back; what they are must be asked for then.
    fn holds_back(&self, length: usize) -> bool {
        !self.progress.http2.load(Ordering::Relaxed) && self.waiting.len() + length <= HOLDING
    }
}

impl<S: Wire> AsyncRead for Counted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // All that could be done is done. What the client does not take now goes with the next write.
        if let Poll::Ready(Err(error)) = this.release(cx) {
            return Poll::Ready(Err(error));
        }
        if let Some(first) = this.first.get(this.given..this.held).filter(|first| !first.is_empty()) {
            let first = first.get(..buffer.remaining()).unwrap_or(first);
            buffer.put_slice(first);
            this.given += first.len();
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let outcome = Pin::new(this.stream()?).poll_read(cx, buffer);
        let came = buffer.filled().len() - before;
        this.progress.read.fetch_add(came as u64, Ordering::Relaxed);
        outcome
    }
}

impl<S: Wire> AsyncWrite for Counted<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.holds_back(bytes.len()) {
            this.waiting.extend_from_slice(bytes);
            this.progress.holding.store(true, Ordering::Relaxed);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(this.release(cx))?;
        let outcome = Pin::new(this.stream()?).poll_write(cx, bytes);
        this.wrote(&outcome);
        outcome
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = slices.iter().map(|slice| slice.len()).sum();
        if this.holds_back(length) {
            slices.iter().for_each(|slice| this.waiting.extend_from_slice(slice));
            this.progress.holding.store(true, Ordering::Relaxed);
            return Poll::Ready(Ok(length));
        }
        ready!(this.release(cx))?;
        let outcome = Pin::new(this.stream()?).poll_write_vectored(cx, slices);
        this.wrote(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.progress.urgent.load(Ordering::Relaxed) {
            ready!(this.release(cx))?;
        }
        // A socket has nothing to flush.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.release(cx))?;
        Pin::new(this.stream()?).poll_shutdown(cx)
    }
}

/// Lets go of what is held back, and hears a client out that still sends.
impl<S: Wire> Drop for Counted<S> {
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = self.release(&mut cx);
        let Some(mut stream) = self.stream.take() else { return };
        let mut buffer = [0; 1_024];
        let mut buffer = ReadBuf::new(&mut buffer);
        let silent = Pin::new(&mut stream).poll_read(&mut cx, &mut buffer).is_pending();
        let gone = !silent && buffer.filled().is_empty();
        let (waiting, sent) = (std::mem::take(&mut self.waiting), self.sent);
        if gone || silent && waiting.is_empty() {
            return;
        }
        // There is none when the process ends, which waits for nobody.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(HEARING, async move {
                // Whoever is gone meanwhile misses nothing.
                let _ = stream.write_all(waiting.get(sent..).unwrap_or_default()).await;
                // That it is the end may be what the client waits for.
                let _ = stream.shutdown().await;
                tokio::io::copy(&mut stream.take(HEARD), &mut tokio::io::sink()).await
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::patience::Patience;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn http2_is_told_by_its_first_bytes_and_none_of_them_is_lost() {
        for (bytes, is_http2) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nand more"[..], true),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r", false),
            (b"POST / HTTP/1.1\r\n\r\n", false),
            (b"PRI", false),
            (b"", false),
        ] {
            let progress = Arc::new(Progress::default());
            let start = Instant::now();
            // Some bytes at a time.
            let (mut client, server) = tokio::io::duplex(5);
            let sending = tokio::spawn(async move { client.write_all(bytes).await });
            let mut counted = Counted::new(server, Arc::clone(&progress));
            assert_eq!(counted.begins_http2().await.unwrap(), is_http2);
            assert_eq!(Patience::new(start).look(&progress, start + 10 * SECOND).is_ok(), is_http2);
            let mut all = Vec::new();
            counted.read_to_end(&mut all).await.unwrap();
            sending.await.unwrap().unwrap();
            assert_eq!(all, bytes);
            assert_eq!(progress.read.load(Ordering::Relaxed), bytes.len() as u64);
        }
    }
}
