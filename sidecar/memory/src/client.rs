//! The app's end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pillion_calls::{Call, Outcome, Reply, Request};
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::inbox::Place;
use crate::line::Line;
use crate::{ClientError, SPIN};

/// The app's end of the shared memory: many tasks may make calls at once.
pub struct Client {
    name: String,
    token: Option<String>,
    /// Whether it never sleeps.
    busy: bool,
    line: Mutex<Option<Arc<Line>>>,
    opening: tokio::sync::Mutex<()>,
    /// Calls under way.
    under_way: AtomicUsize,
}

/// How long one waits before it makes sure that there is still somebody to wait for.
const PATIENCE: Duration = Duration::from_millis(20);

/// One of the calls under way.
struct UnderWay<'a>(&'a AtomicUsize);

// === impl Client ===

impl Client {
    /// A client of the sidecar that serves under a name. It connects with its first call.
    #[must_use]
    pub fn new(name: &str, token: Option<String>, busy: bool) -> Self {
        Self {
            name: name.to_owned(),
            token,
            busy,
            line: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            under_way: AtomicUsize::new(0),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes one call; `None` for a change that was made.
    ///
    /// # Errors
    /// No sidecar is there, it refuses the client, or it ends.
    pub async fn call(&self, request: Request) -> Result<Option<Outcome>, ClientError> {
        let call = Call { id: 0, request: Some(request) };
        loop {
            let line = self.line().await?;
            let Some(mut place) = place(&line).await else {
                self.forget(Some(&line));
                continue;
            };
            self.under_way.fetch_add(1, Ordering::Relaxed);
            let _under_way = UnderWay(&self.under_way);
            while !line.send(&mut place, &call)? {
                // There is room for as many calls as there are places: nobody takes them any more.
                self.make_sure(&line).await?;
                if !line.is_connected() {
                    self.forget(Some(&line));
                    return Err(ClientError::Ended);
                }
            }
            return self.wait(&line, &mut place).await.map(|reply| reply.outcome);
        }
    }

    /// The line, if there is one that leads to somebody.
    fn current(&self) -> Option<Arc<Line>> {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        line.is_connected().then_some(line)
    }

    async fn line(&self) -> Result<Arc<Line>, ClientError> {
        if let Some(line) = self.current() {
            return Ok(line);
        }
        // One opens it, the others wait for that.
        let _turn = self.opening.lock().await;
        if let Some(line) = self.current() {
            return Ok(line);
        }
        // Before the next is opened, so that what is left of the sidecar can be removed.
        self.forget(None);
        let line = Arc::new(Line::open(&self.name, self.token.clone()).await?);
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&line));
        Ok(line)
    }

    /// Forgets the line, or only that one.
    fn forget(&self, only: Option<&Line>) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if only.is_none_or(|only| line.as_ref().is_some_and(|line| std::ptr::eq(&raw const **line, only))) {
            *line = None;
        }
    }

    /// Waits for the reply.
    async fn wait(&self, line: &Line, place: &mut Place<'_>) -> Result<Reply, ClientError> {
        let mut pause = line.habit.wait();
        loop {
            if let Some(reply) = place.look()? {
                line.habit.learn(&pause);
                return Ok(reply);
            }
            let alone = self.under_way.load(Ordering::Relaxed) <= 1;
            match pause.elapsed() {
                Some(elapsed) if elapsed > PATIENCE => {
                    self.make_sure(line).await?;
                    pause = line.habit.wait();
                }
                Some(elapsed) if elapsed > SPIN && !self.busy => {
                    let found = line.sleep(place).await?;
                    if let Some(reply) = found {
                        return Ok(reply);
                    }
                    self.make_sure(line).await?;
                    pause = line.habit.wait();
                }
                // What could have been sent before it went was looked for above, and is once more.
                Some(_) if !line.is_connected() => {
                    return match place.look()? {
                        Some(reply) => Ok(reply),
                        None => {
                            self.forget(Some(line));
                            Err(ClientError::Ended)
                        }
                    };
                }
                _ => {}
            }
            pause.rest();
            if !alone {
                // The other calls of this thread.
                yield_now().await;
            }
        }
    }

    /// Whether the sidecar's process is there.
    async fn make_sure(&self, line: &Line) -> Result<(), ClientError> {
        if line.is_alive().await {
            return Ok(());
        }
        self.forget(Some(line));
        Err(ClientError::Ended)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place for a call; none if nobody is at the other end any more.
async fn place(line: &Line) -> Option<Place<'_>> {
    if let Some(place) = line.inbox.try_place() {
        return Some(place);
    }
    while line.is_connected() && line.is_alive().await {
        // The replies to what was given up may be there, and nobody else who would look for them.
        line.inbox.take_in().ok()?;
        if let Ok(place) = timeout(PATIENCE, line.inbox.place()).await {
            return place;
        }
    }
    None
}
