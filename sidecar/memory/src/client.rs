//! The app's end.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use iceoryx2::pending_response::PendingResponse;
use iceoryx2::port::client::Client as Port;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::{AllocationStrategy, PortFactory as _, ipc_threadsafe};
use iceoryx2::response::Response;
use pillion_calls::{Call, Outcome, Reply, Request};
use prost::Message as _;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Semaphore;
use tokio::task::yield_now;

use crate::board::Seen;
use crate::greeting::{Greeting, Welcome};
use crate::pause::Pause;
use crate::service::{Services, system};
use crate::wake::Wake;
use crate::{ClientError, Header, MOST_BYTES, MOST_UNDER_WAY, OpenError, SPIN};

type Service = ipc_threadsafe::Service;
type Pending = PendingResponse<Service, [u8], Header, [u8], ()>;

/// The app's end of the shared memory: many tasks may make calls at once.
pub struct Client {
    name: String,
    token: Option<String>,
    /// Whether it never sleeps.
    busy: bool,
    line: Mutex<Option<Arc<Line>>>,
    opening: tokio::sync::Mutex<()>,
    permits: Semaphore,
    /// Calls under way.
    under_way: AtomicUsize,
}

/// What stands between a client and one sidecar.
struct Line {
    /// Open for as long as both ends are there; in its header the client tells that it sleeps.
    greeting: Mutex<Pending>,
    port: Port<Service, [u8], Header, [u8], ()>,
    wake: Wake,
    notifier: Notifier<Service>,
    /// Where the sidecar tells that it sleeps.
    seen: Option<Seen>,
    /// Readable once the sidecar's process has ended.
    process: Option<AsyncFd<OwnedFd>>,
    services: Services<Service>,
}

/// How long one waits before it makes sure that there is still somebody to wait for.
const PATIENCE: Duration = Duration::from_millis(20);

/// How long making sure takes.
const MOMENT: Duration = Duration::from_millis(1);

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
            permits: Semaphore::new(MOST_UNDER_WAY),
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
        // It fails only when it is closed, and nobody closes it.
        let _permit = self.permits.acquire().await.map_err(|_| ClientError::Ended)?;
        let line = self.line().await?;
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let _under_way = UnderWay(&self.under_way);
        let call = Call { id: 0, request: Some(request) };
        // Dropped after the response: the next request on its channel must not find that one still there.
        let mut pending = line.send(&call)?;
        let response = self.wait(&line, &mut pending).await?;
        let reply =
            Reply::decode(response.payload()).map_err(|error| ClientError::Failed(error.to_string()))?;
        Ok(reply.outcome)
    }

    /// The line, if there is one that leads to somebody.
    fn current(&self) -> Option<Arc<Line>> {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let is_connected = line.greeting().is_connected();
        is_connected.then_some(line)
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
        let line = Arc::new(self.open().await?);
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

    async fn open(&self) -> Result<Line, ClientError> {
        let failed = |error: &dyn std::fmt::Debug| ClientError::Open(system(&self.name, error));
        let services = Services::<Service>::of(&self.name)?;
        services.tidy_up();
        let calls = services.open_calls()?;
        if calls.dynamic_config().number_of_servers() == 0 {
            return Err(OpenError::Nobody(self.name.clone()).into());
        }
        let event = format!("client/{}", services.id());
        let listener =
            services.events(&event)?.listener_builder().create().map_err(|error| failed(&error))?;
        let wake = Wake::new(listener).map_err(|error| failed(&error))?;
        let notifier = services.events("server")?.notifier_builder().create();
        let notifier = notifier.map_err(|error| failed(&error))?;
        let port = calls
            .client_builder()
            // All of its room at once, of which the system gives what is used: memory that grows costs each call more.
            .initial_max_slice_len(MOST_BYTES)
            .allocation_strategy(AllocationStrategy::Static)
            .create()
            .map_err(|error| failed(&error))?;
        let greeting = Greeting { token: self.token.clone(), event };
        let greeting = send(&port, &greeting, true)?;
        let mut line = Line {
            greeting: Mutex::new(greeting),
            port,
            wake,
            notifier,
            seen: None,
            process: None,
            services,
        };
        // A sidecar that has never heard of the client may be asleep.
        line.rouse();
        let welcome = self.welcome(&line).await?;
        if !welcome.refusal.is_empty() {
            return Err(ClientError::Refused(welcome.refusal));
        }
        line.seen = Some(Seen::open(&line.services, &welcome.board)?);
        let process = Pid::from_raw(welcome.process).ok_or(ClientError::Ended)?;
        let process = pidfd_open(process, PidfdFlags::empty()).map_err(|_| ClientError::Ended)?;
        line.process = Some(watch(process).map_err(|error| failed(&error))?);
        Ok(line)
    }

    /// Waits for what the sidecar answers to the greeting.
    async fn welcome(&self, line: &Line) -> Result<Welcome, ClientError> {
        loop {
            let said = look(&mut line.greeting())?;
            if let Some(response) = said {
                let welcome = Welcome::decode(response.payload());
                return welcome.map_err(|error| ClientError::Failed(error.to_string()));
            }
            if !line.greeting().is_connected() {
                return Err(ClientError::Ended);
            }
            tokio::time::sleep(MOMENT).await;
        }
    }

    /// Waits for the response.
    async fn wait(
        &self,
        line: &Line,
        pending: &mut Pending,
    ) -> Result<Response<Service, [u8], ()>, ClientError> {
        let mut pause = Pause::new();
        loop {
            if let Some(response) = look(pending)? {
                return Ok(response);
            }
            let alone = self.under_way.load(Ordering::Relaxed) <= 1;
            match pause.elapsed() {
                Some(elapsed) if elapsed > PATIENCE => {
                    self.make_sure(line).await?;
                    pause = Pause::new();
                }
                Some(elapsed) if elapsed > SPIN && !self.busy => {
                    let found = line.sleep(pending).await?;
                    if let Some(response) = found {
                        return Ok(response);
                    }
                    self.make_sure(line).await?;
                    pause = Pause::new();
                }
                // What could have been sent before it went was looked for above, and is once more.
                Some(_) if !pending.is_connected() => {
                    return match look(pending)? {
                        Some(response) => Ok(response),
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

// === impl Line ===

impl Line {
    fn greeting(&self) -> MutexGuard<'_, Pending> {
        self.greeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, message: &impl prost::Message) -> Result<Pending, ClientError> {
        let pending = send(&self.port, message, false)?;
        if self.seen.as_ref().is_none_or(Seen::is_asleep) {
            self.rouse();
        }
        Ok(pending)
    }

    /// Sleeps until there may be a response, or nobody who could send one.
    async fn sleep(&self, pending: &mut Pending) -> Result<Option<Response<Service, [u8], ()>>, ClientError> {
        self.greeting().user_header().falls_asleep();
        let _asleep = Asleep(self);
        let mut found = Ok(None);
        let sleeping = self.wake.sleep(|| {
            found = look(&mut *pending);
            !matches!(found, Ok(None)) || !pending.is_connected()
        });
        let ended = async {
            match &self.process {
                Some(process) => process.readable().await.map(drop),
                None => Ok(()),
            }
        };
        let woken = tokio::select! {
            woken = sleeping => woken,
            ended = ended => ended,
        };
        woken.map_err(|error| ClientError::Failed(error.to_string()))?;
        found
    }

    /// Wakes the sidecar.
    fn rouse(&self) {
        // It fails where nobody listens any more: the wait finds that out.
        let _ = self.notifier.notify();
    }

    /// Whether the sidecar's process is there. It takes a moment.
    async fn is_alive(&self) -> bool {
        let Some(process) = &self.process else { return true };
        // The executor, which a spinning task has kept from it, asks the kernel meanwhile.
        tokio::time::timeout(MOMENT, process.readable()).await.is_err()
    }
}

/// Says that it woke, however it did.
struct Asleep<'a>(&'a Line);

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.0.greeting().user_header().awakes();
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What tells when a process has ended.
fn watch(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "registering a descriptor is unsafe")]
    // SAFETY: an owned descriptor is open for as long as it is there.
    let watched = unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) };
    watched.map_err(Into::into)
}

fn look(pending: &mut Pending) -> Result<Option<Response<Service, [u8], ()>>, ClientError> {
    pending.receive().map_err(|error| ClientError::Failed(format!("{error:?}")))
}

fn send(
    port: &Port<Service, [u8], Header, [u8], ()>,
    message: &impl prost::Message,
    greeting: bool,
) -> Result<Pending, ClientError> {
    let failed = |error: &dyn std::fmt::Debug| ClientError::Failed(format!("{error:?}"));
    let length = message.encoded_len();
    if length > MOST_BYTES {
        return Err(ClientError::TooLong(length));
    }
    let mut request = port.loan_slice(length).map_err(|error| failed(&error))?;
    if greeting {
        request.user_header().mark_greeting();
    }
    message.encode(&mut request.payload_mut()).map_err(|error| failed(&error))?;
    request.send().map_err(|error| failed(&error))
}
