//! How long a connection may keep the sidecar waiting.
//!
//! hyper's own clock for the head of a request is allocated, set and cancelled once for each. Here requests leave a few
//! counters behind, and every few seconds their connection looks at what has become of them.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// How long a client may take for the head of a request, from its first byte, or from the connection's begin, as with
/// Dapr. A connection may be idle between requests for as long as it likes.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client may take nothing of an answer that it has asked for.
const TAKING: Duration = Duration::from_secs(60);
/// How long, and how many bytes of it, a client that still sends is heard out after the last answer. When a socket is
/// closed with something unread, what was sent may never be read.
const HEARING: Duration = Duration::from_secs(2);
const HEARD: u64 = 4 << 20;
/// How long a connection waits before it looks at itself again.
pub(super) const LOOK: Duration = Duration::from_secs(5);
/// How an HTTP/2 connection begins.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What has gone on on a connection. All of it is counted by the connection's own task, but for HTTP/2 requests, whose
/// count is not looked at.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes that came.
    read: AtomicU64,
    /// Bytes that went.
    written: AtomicU64,
    /// Whether there is more to write than the client takes.
    stuck: AtomicBool,
    /// Whether it is known to be HTTP/2.
    http2: AtomicBool,
    /// Requests whose heads have come.
    asked: AtomicU64,
    /// Requests that are answered.
    answered: AtomicU64,
    /// What had come when the last request was answered.
    read_then: AtomicU64,
}

/// A stream of bytes that a connection can be served on.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Wire for S {}

/// A connection's bytes, counted.
pub(super) struct Counted<S: Wire> {
    /// There until it is dropped.
    stream: Option<S>,
    /// What was read to tell the version, and how much of it.
    first: [u8; PREFACE.len()],
    held: usize,
    /// How much of that was handed out.
    given: usize,
    progress: Arc<Progress>,
}

/// What a connection has seen when it looked at itself before.
#[derive(Debug)]
pub(super) struct Patience {
    /// How many requests there had been when it began to wait for the next one's head, and since when.
    head: Option<(u64, Instant)>,
    /// How much had gone when the client began to take nothing, and since when.
    taking: Option<(u64, Instant)>,
}

// === impl Progress ===

impl Progress {
    pub(super) fn asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self) {
        self.read_then.store(self.read.load(Ordering::Relaxed), Ordering::Relaxed);
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the client has begun a request, or the connection, and not ended its head.
    fn owes_a_head(&self) -> bool {
        if self.http2.load(Ordering::Relaxed) {
            // hyper asks a silent client whether it is still there.
            return false;
        }
        let asked = self.asked.load(Ordering::Relaxed);
        let idle = asked > 0 && self.read.load(Ordering::Relaxed) == self.read_then.load(Ordering::Relaxed);
        asked == self.answered.load(Ordering::Relaxed) && !idle
    }
}

// === impl Patience ===

impl Patience {
    /// For a connection that begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self { head: Some((0, now)), taking: None }
    }

    /// Looks whether patience is over, and with what.
    pub(super) fn look(&mut self, progress: &Progress, now: Instant) -> Result<(), &'static str> {
        let asked = progress.asked.load(Ordering::Relaxed);
        self.head = since(self.head, progress.owes_a_head(), asked, now);
        if is_over(self.head, now, HEAD) {
            return Err("the head of a request did not come to its end");
        }
        let written = progress.written.load(Ordering::Relaxed);
        self.taking = since(self.taking, progress.stuck.load(Ordering::Relaxed), written, now);
        if is_over(self.taking, now, TAKING) {
            return Err("the client takes nothing of its answer");
        }
        Ok(())
    }
}

/// Since when it is so, with the same count; none if it is not.
fn since(known: Option<(u64, Instant)>, is_so: bool, count: u64, now: Instant) -> Option<(u64, Instant)> {
    is_so.then(|| known.filter(|(then, _)| *then == count).unwrap_or((count, now)))
}

fn is_over(since: Option<(u64, Instant)>, now: Instant, patience: Duration) -> bool {
    since.is_some_and(|(_, since)| now.duration_since(since) >= patience)
}

// === impl Counted ===

impl<S: Wire> Counted<S> {
    pub(super) fn new(stream: S, progress: Arc<Progress>) -> Self {
        Self { stream: Some(stream), first: [0; PREFACE.len()], held: 0, given: 0, progress }
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
}

impl<S: Wire> AsyncRead for Counted<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
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
        let outcome = Pin::new(this.stream()?).poll_write_vectored(cx, slices);
        this.wrote(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().stream()?).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().stream()?).poll_shutdown(cx)
    }
}

/// Hears a client out that still sends.
impl<S: Wire> Drop for Counted<S> {
    fn drop(&mut self) {
        let Some(mut stream) = self.stream.take() else { return };
        let mut buffer = [0; 1_024];
        let mut buffer = ReadBuf::new(&mut buffer);
        let unread = Pin::new(&mut stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
        if unread.is_pending() || buffer.filled().is_empty() {
            return;
        }
        // There is none when the process ends, which waits for nobody.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(HEARING, async move {
                // That it is the end may be what the client waits for. It may be gone, too.
                let _ = stream.shutdown().await;
                tokio::io::copy(&mut stream.take(HEARD), &mut tokio::io::sink()).await
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_head_may_take_its_time_and_no_longer() {
        let (start, progress) = (Instant::now(), Progress::default());
        let mut patience = Patience::new(start);
        assert!(patience.look(&progress, start + 9 * SECOND).is_ok());
        // A byte now and then is no head.
        progress.read.store(3, Ordering::Relaxed);
        assert!(patience.look(&progress, start + 10 * SECOND).is_err());
    }

    #[test]
    fn between_requests_a_connection_may_be_idle() {
        let (start, progress) = (Instant::now(), Progress::default());
        let mut patience = Patience::new(start);
        progress.read.store(100, Ordering::Relaxed);
        progress.asked();
        assert!(
            patience.look(&progress, start + 3_600 * SECOND).is_ok(),
            "a request may take as long as it takes"
        );
        progress.answered();
        assert!(patience.look(&progress, start + 7_200 * SECOND).is_ok());
        // The next one begins.
        progress.read.store(101, Ordering::Relaxed);
        assert!(patience.look(&progress, start + 7_205 * SECOND).is_ok());
        progress.read.store(102, Ordering::Relaxed);
        assert!(patience.look(&progress, start + 7_214 * SECOND).is_ok());
        assert!(patience.look(&progress, start + 7_215 * SECOND).is_err());
    }

    #[test]
    fn one_request_after_the_other_is_no_long_head() {
        let (start, progress) = (Instant::now(), Progress::default());
        let mut patience = Patience::new(start);
        for second in 0..100 {
            progress.asked();
            progress.answered();
            // A part of the next head is there whenever it is looked.
            progress.read.fetch_add(100, Ordering::Relaxed);
            assert!(patience.look(&progress, start + second * SECOND).is_ok());
        }
    }

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

    #[test]
    fn who_takes_a_little_is_waited_for() {
        let (start, progress) = (Instant::now(), Progress::default());
        let mut patience = Patience::new(start);
        progress.asked();
        progress.stuck.store(true, Ordering::Relaxed);
        for step in 0..10 {
            assert!(patience.look(&progress, start + 50 * step * SECOND).is_ok());
            progress.written.fetch_add(1, Ordering::Relaxed);
        }
        assert!(patience.look(&progress, start + 500 * SECOND).is_ok());
        assert!(patience.look(&progress, start + 560 * SECOND).is_err());
    }
}
