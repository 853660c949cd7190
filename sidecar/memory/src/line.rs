//! What stands between a client and one sidecar.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use pillion_calls::Call;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::ends::{Ends, Sent};
use crate::in_turn::InTurn;
use crate::inbox::Look;
use crate::pause::Habit;
use crate::service::system;
use crate::wake::Wake;
use crate::{ClientError, OpenError};

/// How long making sure takes.
const MOMENT: Duration = Duration::from_millis(1);

pub(crate) struct Line {
    ends: InTurn<Ends>,
    /// Tells of places that become free.
    freed: Arc<Notify>,
    wake: Wake,
    /// Readable once the sidecar's process has ended.
    process: AsyncFd<OwnedFd>,
    pub(crate) habit: Habit,
}

/// Says that it woke, however it did.
struct Asleep<'a>(&'a Line);

/// One of those who wait for a place.
struct Queued<'a>(&'a Line);

// === impl Line ===

impl Line {
    /// Greets the sidecar that serves under a name.
    pub(crate) async fn open(name: &str, token: Option<String>) -> Result<Self, ClientError> {
        let failed = |error: io::Error| OpenError::from(system(name, &error));
        let freed = Arc::default();
        let (ends, listener) = Ends::open(name, token, &freed)?;
        let wake = Wake::new(listener).map_err(failed)?;
        let welcome = loop {
            let said = ends.lock().welcome()?;
            if let Some(welcome) = said {
                break welcome;
            }
            sleep(MOMENT).await;
        };
        let process = Pid::from_raw(welcome.process).ok_or(ClientError::Ended)?;
        let process = pidfd_open(process, PidfdFlags::empty()).map_err(|_| ClientError::Ended)?;
        let process = watch(process).map_err(failed)?;
        Ok(Self { ends, freed, wake, process, habit: Habit::default() })
    }

    /// Whether the sidecar keeps the client. A sidecar that was killed seems to.
    pub(crate) fn is_connected(&self) -> bool {
        self.ends.lock().is_connected()
    }

    pub(crate) fn send(&self, call: &Call) -> Result<Sent, ClientError> {
        self.ends.lock().send(call)
    }

    /// Looks for the reply to a call.
    pub(crate) fn look(&self, number: u64) -> Result<Look, ClientError> {
        self.ends.lock().inbox.look(number)
    }

    /// Gives a call up.
    pub(crate) fn give_up(&self, number: u64) {
        self.ends.lock().inbox.give_up(number);
    }

    /// Waits for a place for a call, at most for a time; whether there may be one.
    pub(crate) async fn wait_for_place(&self, most: Duration) -> Result<bool, ClientError> {
        let mut told = pin!(self.freed.notified());
        {
            let mut ends = self.ends.lock();
            if !ends.inbox.queue() {
                return Ok(true);
            }
            // Before any can become free.
            told.as_mut().enable();
        }
        let _queued = Queued(self);
        let is_told = timeout(most, told).await.is_ok();
        if !is_told {
            // The replies to what was given up may be there, and nobody else who would look for them.
            self.ends.lock().inbox.take_in()?;
        }
        Ok(is_told)
    }

    /// Sleeps until there may be a reply, or nobody who could send one.
    pub(crate) async fn sleep(&self, number: u64) -> Result<Look, ClientError> {
        self.ends.lock().header().falls_asleep();
        let _asleep = Asleep(self);
        let mut found = Ok(Look::Nothing { alone: false });
        let sleeping = self.wake.sleep(|| {
            found = self.look(number);
            !matches!(found, Ok(Look::Nothing { .. })) || !self.is_connected()
        });
        let ended = async { self.process.readable().await.map(drop) };
        let woken = tokio::select! {
            woken = sleeping => woken,
            ended = ended => ended,
        };
        woken.map_err(|error| ClientError::Failed(error.to_string()))?;
        found
    }

    /// Whether the sidecar's process is there. It takes a moment.
    pub(crate) async fn is_alive(&self) -> bool {
        // The executor, which a spinning task has kept from it, asks the kernel meanwhile.
        timeout(MOMENT, self.process.readable()).await.is_err()
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.0.ends.lock().header().awakes();
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.ends.lock().inbox.leave_queue();
    }
}

/// What tells when a process has ended.
fn watch(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "registering a descriptor is unsafe")]
    // SAFETY: an owned descriptor is open for as long as it is there.
    let watched = unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) };
    watched.map_err(Into::into)
}
