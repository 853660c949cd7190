//! The sidecar's end.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use iceoryx2::port::server::Server as Port;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::AllocationStrategy;
use iceoryx2::service::port_factory::server::ServerCreateError;
use pillion_calls::{Call, Reply};
use prost::Message as _;
use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::board::Told;
use crate::greeting::{Greeting, Welcome};
use crate::guest::{Guest, Owed, Request, failure};
use crate::message::{Front, Message, open};
use crate::pause::Habit;
use crate::service::{MOST_READ, Service, Services, system};
use crate::wake::Wake;
use crate::{Header, MOST_BYTES, OpenError, SPIN};

/// How often the server looks after what killed clients left, when it is idle.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// Looks for calls between two turns of its executor, when it never sleeps.
const TURN: u32 = 256;
/// Looks for calls between two for a greeting.
const GREETING: u32 = 32;

/// The sidecar's end of the shared memory. It runs on a thread of its own, with an executor of its own.
pub struct Server {
    services: Services,
    greetings: Port<Service, [u8], Header, [u8], ()>,
    calls: Subscriber<Service, [u8], Front>,
    /// Calls that were read, to be given back.
    read: Vec<Message>,
    wake: Wake,
    told: Told,
    board: String,
    guests: Vec<Rc<Guest>>,
    token: Option<String>,
    most_bytes: usize,
    /// Calls that wait for their provider.
    waiting: Rc<Cell<usize>>,
}

// === impl Server ===

impl Server {
    /// Serves under a name. Clients must greet with the token, if there is one; a call of more than `most_bytes` is
    /// refused. To be called within the executor that it will run on.
    ///
    /// # Errors
    /// Another process serves under the name, or the system refuses.
    pub fn open(name: &str, token: Option<String>, most_bytes: usize) -> Result<Self, OpenError> {
        let services = Services::of(name)?;
        let greetings = services.create_greetings()?;
        let greetings = greetings
            .server_builder()
            .initial_max_slice_len(MOST_BYTES)
            .allocation_strategy(AllocationStrategy::Static)
            .create()
            .map_err(|error| match error {
                ServerCreateError::ExceedsMaxSupportedServers => OpenError::Taken(name.to_owned()),
                error => system(name, &error),
            })?;
        let calls = services.messages("calls")?.subscriber_builder().create();
        let calls = calls.map_err(|error| system(name, &error))?;
        let listener = services.events("server")?.listener_builder().create();
        let wake = Wake::new(listener.map_err(|error| system(name, &error))?);
        let wake = wake.map_err(|error| system(name, &error))?;
        let board = format!("board/{}", services.id());
        let told = Told::create(&services, &board)?;
        let (guests, waiting) = (Vec::new(), Rc::default());
        let read = Vec::with_capacity(MOST_READ);
        Ok(Self { services, greetings, calls, read, wake, told, board, guests, token, most_bytes, waiting })
    }

    /// Answers calls until `stop` completes: those under way are answered, and clients are let go. Never sleeps if it is
    /// to be busy.
    pub async fn run<A, F>(mut self, answer: A, busy: bool, stop: impl Future<Output = ()>)
    where
        A: Fn(Call) -> F,
        F: Future<Output = Reply> + 'static,
    {
        let tasks = LocalSet::new();
        tasks
            .run_until(async {
                let mut stop = pin!(stop);
                let habit = Habit::default();
                let mut pause = habit.wait();
                let mut looks = 0_u32;
                loop {
                    if self.take(&answer) {
                        habit.learn(&pause);
                        pause = habit.wait();
                    } else {
                        pause.rest();
                    }
                    if looks.is_multiple_of(GREETING) {
                        self.greet();
                    }
                    looks = looks.wrapping_add(1);
                    let tired = !busy && pause.elapsed().is_some_and(|elapsed| elapsed > SPIN);
                    if tired && self.waiting.get() == 0 {
                        if !self.sleep(stop.as_mut()).await {
                            break;
                        }
                        pause = habit.wait();
                        looks = 0;
                    } else if looks.is_multiple_of(TURN) || self.waiting.get() > 0 {
                        yield_now().await;
                        if stop.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                            break;
                        }
                    }
                }
                while self.waiting.get() > 0 {
                    yield_now().await;
                }
            })
            .await;
        for guest in &self.guests {
            guest.let_go();
        }
    }

    /// Takes all calls that are there; whether there were any.
    fn take<A, F>(&mut self, answer: &A) -> bool
    where
        A: Fn(Call) -> F,
        F: Future<Output = Reply> + 'static,
    {
        let mut some = false;
        loop {
            // At most as many of all clients as may be of one.
            if self.read.len() == MOST_READ {
                self.read.clear();
            }
            match self.calls.receive() {
                Ok(Some(sample)) => {
                    some = true;
                    if self.answer(&sample, answer) {
                        self.read.push(sample);
                    }
                }
                Ok(None) => return some,
                Err(error) => {
                    tracing::warn!("the shared memory {:?} fails: {error:?}", self.services.name());
                    return some;
                }
            }
        }
    }

    /// Answers a call; whether it is a client's that greeted.
    fn answer<A, F>(&self, sample: &Message, answer: &A) -> bool
    where
        A: Fn(Call) -> F,
        F: Future<Output = Reply> + 'static,
    {
        let caller = sample.origin().value();
        let Some(guest) = self.guests.iter().find(|guest| guest.caller == caller) else {
            tracing::debug!("a call through shared memory by a client that did not greet is refused");
            return false;
        };
        let (number, bytes) = open(sample);
        let call = if bytes.len() > self.most_bytes {
            let most = self.most_bytes;
            Err(failure(
                8,
                format!(
                    "received message larger than max: the limit is {most} bytes; --max-body-size raises it"
                ),
            ))
        } else {
            Call::decode(bytes).map_err(|error| failure(13, format!("the call cannot be read: {error}")))
        };
        let call = match call {
            Ok(call) => call,
            Err(reply) => {
                guest.reply(number, &reply);
                return true;
            }
        };
        let mut reply = Box::pin(answer(call));
        // Most are answered at once: those need no task.
        if let Poll::Ready(reply) = reply.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            guest.reply(number, &reply);
            return true;
        }
        let owed = Owed::new(guest, number, &self.waiting);
        spawn_local(async move { owed.pay(&reply.await) });
        true
    }

    /// Takes all greetings that are there.
    fn greet(&mut self) {
        loop {
            match self.greetings.receive() {
                Ok(Some(request)) => self.admit(request),
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!("the shared memory {:?} fails: {error:?}", self.services.name());
                    return;
                }
            }
        }
    }

    fn admit(&mut self, request: Request) {
        // What is kept of ended clients is of those that were there when the last one came: for so many there is room.
        self.read.clear();
        self.guests.retain(|guest| guest.is_connected());
        let greeting = match Greeting::decode(request.payload()) {
            Ok(greeting) => greeting,
            Err(error) => {
                tracing::debug!("a greeting through shared memory cannot be read: {error}");
                return;
            }
        };
        let refusal = match (&self.token, &greeting.token) {
            (None, _) => "",
            (Some(_), None) => "missing api token in request metadata (Unauthenticated)",
            (Some(expected), Some(token)) if same(expected.as_bytes(), token.as_bytes()) => "",
            (Some(_), Some(_)) => "authentication error: api token mismatch (Unauthenticated)",
        };
        let guest = match Guest::new(&self.services, &greeting) {
            Ok(guest) => guest,
            Err(error) => {
                tracing::warn!("a client of the shared memory cannot be answered, and is refused: {error}");
                return;
            }
        };
        let (process, board) = (std::process::id() as i32, self.board.clone());
        welcome(&request, &Welcome { process, board, refusal: refusal.to_owned() });
        if refusal.is_empty() {
            guest.stays(request);
            self.guests.push(Rc::new(guest));
        }
    }

    /// Sleeps until there may be something to do; whether to go on.
    async fn sleep(&mut self, stop: impl Future<Output = ()>) -> bool {
        self.read.clear();
        self.guests.retain(|guest| guest.is_connected());
        self.told.falls_asleep();
        let sleeping = self.wake.sleep(|| {
            self.calls.has_samples().unwrap_or(true) || self.greetings.has_requests().unwrap_or(true)
        });
        let (go_on, tidy) = tokio::select! {
            biased;
            () = stop => (false, false),
            woken = sleeping => {
                if let Err(error) = woken {
                    tracing::warn!("the shared memory {:?} cannot be waited for: {error}", self.services.name());
                    yield_now().await;
                }
                (true, false)
            }
            () = tokio::time::sleep(HOUSEKEEPING) => (true, true),
        };
        self.told.awakes();
        if tidy {
            self.services.tidy_up();
        }
        go_on
    }
}

/// Sends a welcome. A client that is gone gets none.
fn welcome(request: &Request, welcome: &Welcome) {
    let sent = request.loan_slice(welcome.encoded_len()).map_err(|error| format!("{error:?}")).and_then(
        |mut response| {
            welcome.encode(&mut response.payload_mut()).map_err(|error| error.to_string())?;
            response.send().map_err(|error| format!("{error:?}"))
        },
    );
    if let Err(error) = sent {
        tracing::debug!("a welcome through shared memory is lost: {error}");
    }
}

/// Compares without telling by its time how much of a guess was right.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differing, (l, r)| differing | (l ^ r)) == 0
}
