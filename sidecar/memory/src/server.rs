//! The sidecar's end.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use iceoryx2::active_request::ActiveRequest;
use iceoryx2::identifiers::UniqueClientId;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::port::server::Server as Port;
use iceoryx2::prelude::{AllocationStrategy, ipc_threadsafe};
use iceoryx2::service::port_factory::server::ServerCreateError;
use pillion_calls::{Call, Failure, Outcome, Reply};
use prost::Message as _;
use tokio::task::{LocalSet, spawn_local, yield_now};

use crate::board::Told;
use crate::greeting::{Greeting, Welcome};
use crate::pause::Pause;
use crate::service::{Services, system};
use crate::wake::Wake;
use crate::{Header, MOST_BYTES, OpenError, SPIN};

type Service = ipc_threadsafe::Service;
type Request = ActiveRequest<Service, [u8], Header, [u8], ()>;

/// How often the server looks after what killed clients left, when it is idle.
const HOUSEKEEPING: Duration = Duration::from_secs(5);
/// Looks for calls between two turns of its executor, when it never sleeps.
const TURN: u32 = 256;

/// The sidecar's end of the shared memory. It runs on a thread of its own, with an executor of its own.
pub struct Server {
    services: Services<Service>,
    port: Port<Service, [u8], Header, [u8], ()>,
    wake: Wake,
    told: Told,
    board: String,
    clients: Vec<Admitted>,
    token: Option<String>,
    most_bytes: usize,
    /// Calls that wait for their provider.
    waiting: Rc<Cell<usize>>,
}

/// A client that greeted.
struct Admitted {
    client: UniqueClientId,
    /// Open for as long as the client is there.
    greeting: Request,
    notifier: Rc<Notifier<Service>>,
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
        let calls = services.create_calls()?;
        let port = calls
            .server_builder()
            // All of its room at once, of which the system gives what is used: memory that grows costs each call more.
            .initial_max_slice_len(MOST_BYTES)
            .allocation_strategy(AllocationStrategy::Static)
            .create()
            .map_err(|error| match error {
                ServerCreateError::ExceedsMaxSupportedServers => OpenError::Taken(name.to_owned()),
                error => system(name, &error),
            })?;
        let listener = services.events("server")?.listener_builder().create();
        let wake = Wake::new(listener.map_err(|error| system(name, &error))?);
        let wake = wake.map_err(|error| system(name, &error))?;
        let board = format!("board/{}", services.id());
        let told = Told::create(&services, &board)?;
        let clients = Vec::new();
        Ok(Self { services, port, wake, told, board, clients, token, most_bytes, waiting: Rc::default() })
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
                let mut pause = Pause::new();
                let mut looks = 0_u32;
                loop {
                    if self.take(&answer) {
                        pause = Pause::new();
                    }
                    looks = looks.wrapping_add(1);
                    let tired = !busy && pause.elapsed().is_some_and(|elapsed| elapsed > SPIN);
                    if tired && self.waiting.get() == 0 {
                        if !self.sleep(stop.as_mut()).await {
                            break;
                        }
                        pause = Pause::new();
                    } else if looks.is_multiple_of(TURN) || self.waiting.get() > 0 {
                        yield_now().await;
                        if stop.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                            break;
                        }
                    }
                    pause.rest();
                }
                while self.waiting.get() > 0 {
                    yield_now().await;
                }
            })
            .await;
        for client in self.clients.drain(..) {
            let Admitted { greeting, notifier, .. } = client;
            // Gone, it tells the client that nobody is there; woken, the client looks.
            drop(greeting);
            wake(&notifier);
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
            match self.port.receive() {
                Ok(Some(request)) => {
                    some = true;
                    self.answer(request, answer);
                }
                Ok(None) => return some,
                Err(error) => {
                    tracing::warn!("the shared memory {:?} fails: {error:?}", self.services.name());
                    return some;
                }
            }
        }
    }

    fn answer<A, F>(&mut self, request: Request, answer: &A)
    where
        A: Fn(Call) -> F,
        F: Future<Output = Reply> + 'static,
    {
        if request.user_header().is_greeting() {
            self.admit(request);
            return;
        }
        let origin = request.origin();
        let Some(client) = self.clients.iter().find(|client| client.client == origin) else {
            // Dropped without a response: its client sees that nobody answers.
            tracing::debug!("a call through shared memory by a client that did not greet is refused");
            return;
        };
        let bytes = request.payload();
        let call = if bytes.len() > self.most_bytes {
            let most = self.most_bytes;
            Err((
                8,
                format!(
                    "received message larger than max: the limit is {most} bytes; --max-body-size raises it"
                ),
            ))
        } else {
            Call::decode(bytes).map_err(|error| (13, format!("the call cannot be read: {error}")))
        };
        let call = match call {
            Ok(call) => call,
            Err((code, message)) => {
                let failure = Failure { code, message, details: Bytes::new() };
                let reply = Reply { id: 0, outcome: Some(Outcome::Failure(failure)) };
                respond(&request, &reply, &client.greeting, &client.notifier);
                return;
            }
        };
        let mut reply = Box::pin(answer(call));
        // Most are answered at once: those need no task.
        if let Poll::Ready(reply) = reply.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            respond(&request, &reply, &client.greeting, &client.notifier);
            return;
        }
        let (notifier, waiting) = (Rc::clone(&client.notifier), Rc::clone(&self.waiting));
        waiting.set(waiting.get() + 1);
        spawn_local(async move {
            let reply = reply.await;
            send_reply(&request, &reply);
            // Whether the client sleeps is not known here, and what a provider takes is more than waking it.
            wake(&notifier);
            waiting.set(waiting.get() - 1);
        });
    }

    fn admit(&mut self, request: Request) {
        self.clients.retain(|client| client.greeting.is_connected());
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
        let events = self.services.events(&greeting.event);
        let notifier = events.and_then(|events| {
            let created = events.notifier_builder().create();
            created.map_err(|error| system(self.services.name(), &error))
        });
        let notifier = match notifier {
            Ok(notifier) => Rc::new(notifier),
            Err(error) => {
                tracing::warn!("a client of the shared memory cannot be woken, and is refused: {error}");
                return;
            }
        };
        let (process, board) = (std::process::id() as i32, self.board.clone());
        send(&request, &Welcome { process, board, refusal: refusal.to_owned() });
        wake(&notifier);
        if refusal.is_empty() {
            self.clients.push(Admitted { client: request.origin(), greeting: request, notifier });
        }
    }

    /// Sleeps until there may be something to do; whether to go on.
    async fn sleep(&mut self, stop: impl Future<Output = ()>) -> bool {
        self.clients.retain(|client| client.greeting.is_connected());
        self.told.falls_asleep();
        let sleeping = self.wake.sleep(|| self.port.has_requests().unwrap_or(true));
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

fn respond(request: &Request, reply: &Reply, greeting: &Request, notifier: &Notifier<Service>) {
    send_reply(request, reply);
    if greeting.user_header().is_asleep() {
        wake(notifier);
    }
}

/// Sends a reply, or says that it is too long.
fn send_reply(request: &Request, reply: &Reply) {
    if reply.encoded_len() <= MOST_BYTES {
        send(request, reply);
        return;
    }
    let message =
        format!("the reply is too long for shared memory: the limit is {MOST_BYTES} bytes; use a socket");
    // As gRPC has it for a message that is larger than allowed.
    let failure = Failure { code: 8, message, details: Bytes::new() };
    send(request, &Reply { id: reply.id, outcome: Some(Outcome::Failure(failure)) });
}

/// Sends a response. A client that is gone gets none.
fn send(request: &Request, message: &impl prost::Message) {
    let sent = request.loan_slice(message.encoded_len()).map_err(|error| format!("{error:?}")).and_then(
        |mut response| {
            message.encode(&mut response.payload_mut()).map_err(|error| error.to_string())?;
            response.send().map_err(|error| format!("{error:?}"))
        },
    );
    if let Err(error) = sent {
        tracing::debug!("a reply through shared memory is lost: {error}");
    }
}

fn wake(notifier: &Notifier<Service>) {
    // Nobody sleeps there any more, if it fails.
    let _ = notifier.notify();
}

/// Compares without telling by its time how much of a guess was right.
fn same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len() && left.iter().zip(right).fold(0, |differing, (l, r)| differing | (l ^ r)) == 0
}
