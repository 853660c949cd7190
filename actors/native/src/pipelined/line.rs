//! One connection from its first call to its end.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncReadExt as _, AsyncWrite};

use super::answers::{Answer, Answers, Malformed};
use super::places::{Entered, Outcome, Places};
use super::{Lost, Message, locked};
use crate::connection::{Reading, Writing};

/// So much memory for what is written is kept once all of it was.
const KEPT: usize = 256 << 10;

/// What callers and the connection's task share. No lock is held while somebody is woken; of both, `writer` is taken first.
pub(super) struct Line {
    places: Mutex<Places>,
    writer: Mutex<Writer>,
}

struct Writer {
    /// There until the connection's end.
    half: Option<Box<dyn Writing>>,
    /// What is being written, from `done` on.
    out: Vec<u8>,
    done: usize,
    /// How many bytes of requests were written.
    written: u64,
    /// Why no more can be.
    broken: Option<Arc<io::Error>>,
}

/// The connection's task.
struct Task {
    line: Arc<Line>,
    half: Box<dyn Reading>,
    answers: Answers,
    /// Whether it was asked to write, and let others go first, which may have something to write too.
    is_patient: bool,
    /// Whom to wake.
    wake: Vec<Waker>,
}

/// A call that was sent. Given up, it keeps its turn until its answer came.
struct UnderWay<'a> {
    line: &'a Line,
    number: usize,
    is_done: bool,
}

// === impl Line ===

impl Line {
    /// A connection over these halves. Its task ends with it.
    pub(super) fn start(reading: Box<dyn Reading>, writing: Box<dyn Writing>) -> Arc<Self> {
        let writer = Writer { half: Some(writing), out: Vec::new(), done: 0, written: 0, broken: None };
        let line = Arc::new(Self { places: Mutex::default(), writer: Mutex::new(writer) });
        let mut task = Task {
            line: Arc::clone(&line),
            half: reading,
            answers: Answers::default(),
            is_patient: false,
            wake: Vec::new(),
        };
        tokio::spawn(async move { poll_fn(|context| task.poll(context)).await });
        line
    }

    pub(super) fn is_open(&self) -> bool {
        locked(&self.places).ended().is_none()
    }

    /// Ends the connection.
    pub(super) fn close(&self) {
        let mut wake = Vec::new();
        self.end(&Lost::Closed, &mut wake);
        wake.extend(locked(&self.places).task());
        wake.into_iter().for_each(Waker::wake);
    }

    /// Sends a request and waits for what becomes of it.
    pub(super) async fn exchange(&self, message: &Message) -> Outcome {
        let entered = locked(&self.places).enter(message);
        let (number, entered) = match entered {
            Ok(entered) => entered,
            Err(outcome) => return *outcome,
        };
        let mut under_way = UnderWay { line: self, number, is_done: false };
        let task = match entered {
            Entered::Alone => self.write_alone(),
            Entered::Beside(task) => task,
        };
        task.into_iter().for_each(Waker::wake);
        let outcome = poll_fn(|context| locked(&self.places).poll(number, context)).await;
        under_way.is_done = true;
        outcome
    }

    /// Writes what can be without waiting; what wakes the connection's task if that is not all.
    fn write_alone(&self) -> Option<Waker> {
        let is_all = match self.writer.try_lock() {
            Ok(mut writer) => writer.write(&self.places, &mut Context::from_waker(Waker::noop())).is_ready(),
            Err(_) => false,
        };
        if is_all { None } else { locked(&self.places).ask() }
    }

    fn end(&self, reason: &Lost, wake: &mut Vec<Waker>) {
        let written = locked(&self.writer).written;
        locked(&self.places).end(reason, written, wake);
    }
}

// === impl Writer ===

impl Writer {
    /// Writes all that there is. An error is kept for the connection's task, which may still find answers that came before it.
    fn write(&mut self, places: &Mutex<Places>, context: &mut Context<'_>) -> Poll<()> {
        locked(places).take_unwritten(&mut self.out);
        while let Some(rest) = self.out.get(self.done..).filter(|rest| !rest.is_empty()) {
            let (Some(half), None) = (&mut self.half, &self.broken) else { return Poll::Pending };
            match ready!(Pin::new(half).poll_write(context, rest)) {
                Ok(0) => self.broken = Some(Arc::new(io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    self.done += count;
                    self.written += count as u64;
                }
                Err(error) => self.broken = Some(Arc::new(error)),
            }
        }
        self.out.clear();
        self.out.shrink_to(KEPT);
        self.done = 0;
        Poll::Ready(())
    }
}

// === impl Task ===

impl Task {
    /// Writes and reads what can be; ready when the connection is at its end.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let end = self.work(context);
        if let Poll::Ready(reason) = &end {
            self.line.end(reason, &mut self.wake);
        }
        self.wake.drain(..).for_each(Waker::wake);
        end.map(|_| ())
    }

    fn work(&mut self, context: &mut Context<'_>) -> Poll<Lost> {
        let is_asked = {
            let mut places = locked(&self.line.places);
            if let Some(reason) = places.ended().filter(|_| !places.are_due()) {
                return Poll::Ready(reason.clone());
            }
            places.is_asked(context.waker())
        };
        if is_asked && !self.is_patient {
            self.is_patient = true;
            context.waker().wake_by_ref();
        } else {
            self.is_patient = false;
            self.write(context);
        }
        self.read(context)
    }

    fn write(&mut self, context: &mut Context<'_>) {
        let mut writer = locked(&self.line.writer);
        // What is not written now wakes the task when it can be.
        let _ = writer.write(&self.line.places, context);
        if let Some(error) = &writer.broken {
            locked(&self.line.places).refuse(Lost::Broken(Arc::clone(error)));
        }
    }

    fn read(&mut self, context: &mut Context<'_>) -> Poll<Lost> {
        loop {
            let read = {
                let reading = pin!(self.half.read_buf(self.answers.room()));
                ready!(reading.poll(context))
            };
            let broken = || locked(&self.line.writer).broken.clone().map(Lost::Broken);
            match read {
                Ok(0) => return Poll::Ready(broken().unwrap_or(Lost::Closed)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(broken().unwrap_or_else(|| Lost::Broken(Arc::new(error)))),
            }
            if let Err(reason) = self.hand_out() {
                return Poll::Ready(reason);
            }
        }
    }

    /// Hands out the answers that are complete.
    fn hand_out(&mut self) -> Result<(), Lost> {
        // Asked for once there is something to read: whoever wrote what is answered has counted it then.
        let written = locked(&self.line.writer).written;
        let mut places = locked(&self.line.places);
        loop {
            let Some(Answer { response, closes }) = self.answers.next()? else { break };
            if !places.answer(response, written, &mut self.wake) {
                return Err(Malformed::Unasked.into());
            }
            if closes {
                // The sidecar does nothing of what it may have read beyond (RFC 9112, 9.6).
                places.end(&Lost::Closed, 0, &mut self.wake);
                return Err(Lost::Closed);
            }
        }
        if !places.are_due() && self.answers.is_within() {
            return Err(Malformed::Unasked.into());
        }
        Ok(())
    }
}

/// However it ends, with its runtime too, nobody waits for it in vain.
impl Drop for Task {
    fn drop(&mut self) {
        locked(&self.line.writer).half = None;
        self.line.end(&Lost::Closed, &mut self.wake);
        self.wake.drain(..).for_each(Waker::wake);
    }
}

// === impl UnderWay ===

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            locked(&self.line.places).give_up(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::poll;
    use http::{Request, StatusCode};
    use http_body_util::Full;
    use tokio::io::{AsyncWriteExt as _, DuplexStream, duplex, split};
    use tokio::task::JoinSet;

    use super::*;

    /// Keeps apart what is written at a time.
    struct Writes {
        half: DuplexStream,
        seen: Arc<Mutex<Vec<String>>>,
    }

    impl AsyncWrite for Writes {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let count = ready!(Pin::new(&mut self.half).poll_write(context, bytes))?;
            locked(&self.seen).push(String::from_utf8_lossy(&bytes[..count]).into_owned());
            Poll::Ready(Ok(count))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    async fn ask(line: &Line, number: usize) -> Bytes {
        let request = Request::builder().uri(format!("/{number}")).body(Full::default()).unwrap();
        match line.exchange(&Message::of(request).await).await {
            Outcome::Answer(response) if response.status() == StatusCode::OK => response.into_body(),
            Outcome::Answer(response) => panic!("{response:?}"),
            Outcome::Failed(reason) => panic!("{reason}"),
            Outcome::Undone => panic!("nothing was done"),
        }
    }

    /// Answers each request with what is in its path.
    async fn serve(stream: DuplexStream) {
        let (mut reading, mut writing) = split(stream);
        let mut input = Vec::new();
        while reading.read_buf(&mut input).await.unwrap() > 0 {
            while let Some(end) = input.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head: Vec<u8> = input.drain(..end + 4).collect();
                let path = str::from_utf8(&head).unwrap().split(' ').nth(1).unwrap().trim_start_matches('/');
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len());
                writing.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn requests_that_are_there_together_are_written_together() {
        let (requests, server) = duplex(1 << 20);
        let (answers, mut answering) = duplex(1 << 20);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let line =
            Line::start(Box::new(answers), Box::new(Writes { half: requests, seen: Arc::clone(&seen) }));
        let mut calls = JoinSet::new();
        for number in 0..8 {
            let line = Arc::clone(&line);
            calls.spawn(async move {
                // Three times, so that they come together again by the answers that came together.
                for _ in 0..3 {
                    assert_eq!(ask(&line, number).await, "same");
                }
            });
        }
        for _ in 0..3 {
            while locked(&seen).concat().matches("\r\n\r\n").count() < 8 {
                tokio::task::yield_now().await;
            }
            let writes = std::mem::take(&mut *locked(&seen));
            // Only the first of all was alone.
            assert!(writes.len() <= 2, "{writes:?}");
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsame".repeat(8);
            answering.write_all(answer.as_bytes()).await.unwrap();
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap();
        }
        drop(server);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn answers_find_their_calls_however_little_passes_at_a_time() {
        for at_once in [1, 7, 100] {
            let (ours, theirs) = duplex(at_once);
            let (reading, writing) = split(ours);
            let line = Line::start(Box::new(reading), Box::new(writing));
            tokio::spawn(serve(theirs));
            // Alone, with nobody else who would write what is left.
            for number in 0..3 {
                assert_eq!(ask(&line, number).await, number.to_string());
            }
            let mut calls = JoinSet::new();
            for number in 0..20 {
                let line = Arc::clone(&line);
                calls.spawn(async move {
                    for time in 0..10 {
                        let number = number * 100 + time;
                        assert_eq!(ask(&line, number).await, number.to_string());
                    }
                });
            }
            while let Some(call) = calls.join_next().await {
                call.unwrap();
            }
            line.close();
        }
    }

    /// Takes one write, and no other.
    struct Once(bool);

    impl AsyncWrite for Once {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(if std::mem::replace(&mut self.0, true) {
                Err(io::ErrorKind::BrokenPipe.into())
            } else {
                Ok(bytes.len())
            })
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// As of a sidecar that has refused the first request of a connection and closed, before its answer was read.
    #[tokio::test]
    async fn a_call_that_comes_between_a_write_that_failed_and_the_last_answer_is_undone() {
        let (answers, mut answering) = duplex(1 << 10);
        let line = Line::start(Box::new(answers), Box::new(Once(false)));
        let message = Message::of(Request::new(Full::default())).await;
        let (mut first, mut second) = (pin!(line.exchange(&message)), pin!(line.exchange(&message)));
        assert!(poll!(&mut first).is_pending());
        assert!(poll!(&mut second).is_pending());
        while line.is_open() {
            tokio::task::yield_now().await;
        }
        assert!(matches!(line.exchange(&message).await, Outcome::Undone));
        answering
            .write_all(b"HTTP/1.1 413 \r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        assert!(matches!(first.await, Outcome::Answer(_)));
        assert!(matches!(second.await, Outcome::Undone));
    }

    #[test]
    fn a_connection_whose_runtime_ends_is_at_its_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (ours, _theirs) = duplex(100);
        let (reading, writing) = split(ours);
        let line = runtime.block_on(async { Line::start(Box::new(reading), Box::new(writing)) });
        drop(runtime);
        assert!(!line.is_open());
    }
}
