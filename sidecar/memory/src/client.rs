//! The app's end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pillion_calls::{Call, Outcome, Reply, Request};
use tokio::task::yield_now;

use crate::ends::Sent;
use crate::inbox::Look;
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
}

/// How long one waits before it makes sure that there is still somebody to wait for.
const PATIENCE: Duration = Duration::from_millis(20);

/// A call that was sent. Given up, it keeps its place until its reply came.
struct UnderWay<'a> {
    line: &'a Line,
    number: u64,
    is_answered: bool,
}

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
            match line.send(&call)? {
                Sent::Number(number) => {
                    let mut under_way = UnderWay { line: &line, number, is_answered: false };
                    let reply = self.wait(&line, number).await?;
                    under_way.is_answered = true;
                    return Ok(reply.outcome);
                }
                Sent::Gone => self.forget(Some(&line)),
                Sent::Full => {
                    let is_told = line.wait_for_place(PATIENCE).await?;
                    if !is_told && !line.is_alive().await {
                        self.forget(Some(&line));
                    }
                }
            }
        }
    }

    /// The line, if there is one; who sends finds out whether it leads to somebody.
    fn current(&self) -> Option<Arc<Line>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
    async fn wait(&self, line: &Line, number: u64) -> Result<Reply, ClientError> {
        let mut pause = line.habit.wait();
        loop {
            let alone = match line.look(number)? {
                Look::Reply(reply) => {
                    line.habit.learn(&pause);
                    return Ok(reply);
                }
                Look::Nothing { alone } => alone,
            };
            match pause.elapsed() {
                Some(elapsed) if elapsed > PATIENCE => {
                    self.make_sure(line).await?;
                    pause = line.habit.wait();
                }
                Some(elapsed) if elapsed > SPIN && !self.busy => {
                    if let Look::Reply(reply) = line.sleep(number).await? {
                        return Ok(reply);
                    }
                    self.make_sure(line).await?;
                    pause = line.habit.wait();
                }
                // What could have been sent before it went was looked for above, and is once more.
                Some(_) if !line.is_connected() => {
                    if let Look::Reply(reply) = line.look(number)? {
                        return Ok(reply);
                    }
                    self.forget(Some(line));
                    return Err(ClientError::Ended);
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
        if !self.is_answered {
            self.line.give_up(self.number);
        }
    }
}
