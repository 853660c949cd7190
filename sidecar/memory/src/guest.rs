//! A client, as the sidecar sees it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use iceoryx2::active_request::ActiveRequest;
use iceoryx2::port::notifier::Notifier;
use pillion_calls::{Failure, Outcome, Reply};
use prost::Message as _;

use crate::greeting::Greeting;
use crate::message::Messenger;
use crate::service::{Service, Services, system};
use crate::{Header, MOST_BYTES, OpenError};

pub(crate) type Request = ActiveRequest<Service, [u8], Header, [u8], ()>;

/// A client that greeted.
pub(crate) struct Guest {
    /// What its calls are told by.
    pub(crate) caller: u128,
    /// Open for as long as both ends are there.
    greeting: RefCell<Option<Request>>,
    replies: Messenger,
    notifier: Notifier<Service>,
}

/// A reply that a client waits for.
pub(crate) struct Owed {
    guest: Rc<Guest>,
    number: u64,
    waiting: Rc<Cell<usize>>,
    is_paid: bool,
}

// === impl Guest ===

impl Guest {
    pub(crate) fn new(services: &Services, greeting: &Greeting) -> Result<Self, OpenError> {
        let failed = |error: &dyn std::fmt::Debug| system(services.name(), error);
        let caller = greeting.caller.as_slice().try_into().map_err(|error| failed(&error))?;
        let notifier = services.events(&greeting.part)?.notifier_builder().create();
        let notifier = notifier.map_err(|error| failed(&error))?;
        let replies = Messenger::new(&services.messages(&greeting.part)?).map_err(|error| failed(&error))?;
        let greeting = RefCell::default();
        Ok(Self { caller: u128::from_le_bytes(caller), greeting, replies, notifier })
    }

    /// Keeps its greeting open.
    pub(crate) fn stays(&self, greeting: Request) {
        self.greeting.replace(Some(greeting));
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.greeting.borrow().as_ref().is_some_and(Request::is_connected)
    }

    /// Tells the client that nobody is there for it any more; woken, it looks.
    pub(crate) fn let_go(&self) {
        self.greeting.replace(None);
        self.wake();
    }

    /// Replies to a call, or says that the reply is too long.
    pub(crate) fn reply(&self, number: u64, reply: &Reply) {
        let length = reply.encoded_len();
        let sent = if length <= MOST_BYTES {
            self.replies.publish(number, reply, length)
        } else {
            let message = format!(
                "the reply is too long for shared memory: the limit is {MOST_BYTES} bytes; use a socket"
            );
            // As gRPC has it for a message that is larger than allowed.
            let failure = failure(8, message);
            self.replies.publish(number, &failure, failure.encoded_len())
        };
        if sent != Ok(true) {
            // It would wait for ever.
            tracing::debug!("a reply through shared memory is lost, and its client let go: {sent:?}");
            self.let_go();
        } else if self.greeting.borrow().as_ref().is_some_and(|greeting| greeting.user_header().is_asleep()) {
            self.wake();
        }
    }

    fn wake(&self) {
        // Nobody sleeps there any more, if it fails.
        let _ = self.notifier.notify();
    }
}

// === impl Owed ===

impl Owed {
    pub(crate) fn new(guest: &Rc<Guest>, number: u64, waiting: &Rc<Cell<usize>>) -> Self {
        waiting.set(waiting.get() + 1);
        Self { guest: Rc::clone(guest), number, waiting: Rc::clone(waiting), is_paid: false }
    }

    pub(crate) fn pay(mut self, reply: &Reply) {
        self.is_paid = true;
        self.guest.reply(self.number, reply);
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.waiting.set(self.waiting.get() - 1);
        if !self.is_paid {
            // Its provider panicked.
            self.guest.reply(self.number, &failure(13, "the sidecar failed at this call".to_owned()));
        }
    }
}

/// A reply that tells of a failure, by its code in gRPC.
pub(crate) fn failure(code: i32, message: String) -> Reply {
    Reply { id: 0, outcome: Some(Outcome::Failure(Failure { code, message, details: Bytes::new() })) }
}
