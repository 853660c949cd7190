//! What stands between a client and one sidecar.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use iceoryx2::pending_response::PendingResponse;
use iceoryx2::port::client::Client as Port;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::{AllocationStrategy, PortFactory as _, ipc_threadsafe};
use pillion_calls::{Call, Reply};
use prost::Message as _;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::board::Seen;
use crate::greeting::{Greeting, Welcome};
use crate::inbox::{Inbox, Place};
use crate::message::{Messenger, messenger, publish};
use crate::pause::Habit;
use crate::service::{Services, system};
use crate::wake::Wake;
use crate::{ClientError, Header, MOST_BYTES, OpenError};

type Service = ipc_threadsafe::Service;
type Pending = PendingResponse<Service, [u8], Header, [u8], ()>;

/// How long making sure takes.
const MOMENT: Duration = Duration::from_millis(1);

pub(crate) struct Line {
    /// Open for as long as both ends are there; in its header the client tells that it sleeps.
    greeting: Mutex<Pending>,
    calls: Messenger<Service>,
    pub(crate) inbox: Inbox,
    wake: Wake<Service>,
    notifier: Notifier<Service>,
    /// Where the sidecar tells that it sleeps.
    seen: Seen,
    /// Readable once the sidecar's process has ended.
    process: AsyncFd<OwnedFd>,
    pub(crate) habit: Habit,
    _services: Services<Service>,
}

/// Says that it woke, however it did.
struct Asleep<'a>(&'a Line);

// === impl Line ===

impl Line {
    /// Greets the sidecar that serves under a name.
    pub(crate) async fn open(name: &str, token: Option<String>) -> Result<Self, ClientError> {
        let failed = |error: &dyn std::fmt::Debug| ClientError::Open(system(name, error));
        let services = Services::<Service>::of(name)?;
        services.tidy_up();
        let greetings = services.open_greetings()?;
        if greetings.dynamic_config().number_of_servers() == 0 {
            return Err(OpenError::Nobody(name.to_owned()).into());
        }
        let part = format!("client/{}", services.id());
        let listener = services.events(&part)?.listener_builder().create().map_err(|error| failed(&error))?;
        let wake = Wake::new(listener).map_err(|error| failed(&error))?;
        let notifier = services.events("server")?.notifier_builder().create();
        let notifier = notifier.map_err(|error| failed(&error))?;
        let replies = services.messages(&part)?.subscriber_builder().create();
        let inbox = Inbox::new(replies.map_err(|error| failed(&error))?);
        let calls = messenger(&services.messages("calls")?).map_err(|error| failed(&error))?;
        let port = greetings
            .client_builder()
            .initial_max_slice_len(MOST_BYTES)
            .allocation_strategy(AllocationStrategy::Static)
            .create()
            .map_err(|error| failed(&error))?;
        let caller = calls.id().value().to_le_bytes().to_vec();
        let greeting = greet(&port, &Greeting { token, part, caller })?;
        // A sidecar that has never heard of the client may be asleep. It fails where nobody listens any more: the wait
        // finds that out.
        let _ = notifier.notify();
        let welcome = wait_for_welcome(&greeting).await?;
        if !welcome.refusal.is_empty() {
            return Err(ClientError::Refused(welcome.refusal));
        }
        let seen = Seen::open(&services, &welcome.board)?;
        let process = Pid::from_raw(welcome.process).ok_or(ClientError::Ended)?;
        let process = pidfd_open(process, PidfdFlags::empty()).map_err(|_| ClientError::Ended)?;
        let process = watch(process).map_err(|error| failed(&error))?;
        let (greeting, habit) = (Mutex::new(greeting), Habit::default());
        Ok(Self { greeting, calls, inbox, wake, notifier, seen, process, habit, _services: services })
    }

    /// Whether the sidecar keeps the client. A sidecar that was killed seems to.
    pub(crate) fn is_connected(&self) -> bool {
        self.greeting().is_connected()
    }

    fn greeting(&self) -> MutexGuard<'_, Pending> {
        self.greeting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a call; whether there was room for it.
    pub(crate) fn send(&self, place: &mut Place<'_>, call: &Call) -> Result<bool, ClientError> {
        let length = call.encoded_len();
        if length > MOST_BYTES {
            return Err(ClientError::TooLong(length));
        }
        let sent = publish(&self.calls, place.number(), call, length).map_err(ClientError::Failed)?;
        if sent {
            place.sent();
            if self.seen.is_asleep() {
                self.rouse();
            }
        }
        Ok(sent)
    }

    /// Wakes the sidecar.
    fn rouse(&self) {
        // It fails where nobody listens any more: the wait finds that out.
        let _ = self.notifier.notify();
    }

    /// Sleeps until there may be a reply, or nobody who could send one.
    pub(crate) async fn sleep(&self, place: &mut Place<'_>) -> Result<Option<Reply>, ClientError> {
        self.greeting().user_header().falls_asleep();
        let _asleep = Asleep(self);
        let mut found = Ok(None);
        let sleeping = self.wake.sleep(|| {
            found = place.look();
            !matches!(found, Ok(None)) || !self.is_connected()
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
        tokio::time::timeout(MOMENT, self.process.readable()).await.is_err()
    }
}

impl Drop for Asleep<'_> {
    fn drop(&mut self) {
        self.0.greeting().user_header().awakes();
    }
}

fn greet(port: &Port<Service, [u8], Header, [u8], ()>, greeting: &Greeting) -> Result<Pending, ClientError> {
    let failed = |error: &dyn std::fmt::Debug| ClientError::Failed(format!("{error:?}"));
    let length = greeting.encoded_len();
    if length > MOST_BYTES {
        return Err(ClientError::TooLong(length));
    }
    let mut request = port.loan_slice(length).map_err(|error| failed(&error))?;
    greeting.encode(&mut request.payload_mut()).map_err(|error| failed(&error))?;
    request.send().map_err(|error| failed(&error))
}

/// Waits for what the sidecar answers to the greeting.
async fn wait_for_welcome(greeting: &Pending) -> Result<Welcome, ClientError> {
    loop {
        // Asked first: what was sent before it went is there by now.
        let is_connected = greeting.is_connected();
        let said = greeting.receive().map_err(|error| ClientError::Failed(format!("{error:?}")))?;
        if let Some(response) = said {
            let welcome = Welcome::decode(response.payload());
            return welcome.map_err(|error| ClientError::Failed(error.to_string()));
        }
        if !is_connected {
            return Err(ClientError::Ended);
        }
        tokio::time::sleep(MOMENT).await;
    }
}

/// What tells when a process has ended.
fn watch(process: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "registering a descriptor is unsafe")]
    // SAFETY: an owned descriptor is open for as long as it is there.
    let watched = unsafe { AsyncFd::register_with_interest(process, Interest::READABLE) };
    watched.map_err(Into::into)
}
