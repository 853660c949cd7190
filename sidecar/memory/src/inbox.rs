//! The replies that a client waits for.

use std::sync::{Mutex, MutexGuard, PoisonError};

use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::ipc_threadsafe;
use pillion_calls::Reply;
use prost::{DecodeError, Message as _};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{ClientError, MOST_UNDER_WAY};

type Replies = Subscriber<ipc_threadsafe::Service, [u8], u64>;

/// Where replies arrive. All tasks share it: whoever looks takes in what is there for any of them.
pub(crate) struct Inbox {
    /// Free places. A call that was given up keeps its own until its reply came, so that no more replies are under way
    /// than there is room for.
    free: Semaphore,
    content: Mutex<Content>,
}

struct Content {
    replies: Replies,
    places: Vec<Waiting>,
    /// Calls so far; what tells the calls of one place apart.
    calls: u64,
}

/// Who waits in a place.
struct Waiting {
    /// The number of the call; its remainder by [`MOST_UNDER_WAY`] is that of the place.
    number: u64,
    state: State,
}

enum State {
    Free,
    Awaited,
    GivenUp,
    Arrived(Result<Reply, DecodeError>),
}

/// A call's place.
pub(crate) struct Place<'a> {
    inbox: &'a Inbox,
    permit: Option<SemaphorePermit<'a>>,
    number: u64,
    /// Whether a reply will come.
    sent: bool,
}

// === impl Inbox ===

impl Inbox {
    pub(crate) fn new(replies: Replies) -> Self {
        let places = (0..MOST_UNDER_WAY).map(|_| Waiting { number: 0, state: State::Free }).collect();
        let content = Mutex::new(Content { replies, places, calls: 0 });
        Self { free: Semaphore::new(MOST_UNDER_WAY), content }
    }

    /// A place, if one is free.
    pub(crate) fn try_place(&self) -> Option<Place<'_>> {
        self.free.try_acquire().ok().and_then(|permit| self.with(permit))
    }

    /// Waits for a place.
    pub(crate) async fn place(&self) -> Option<Place<'_>> {
        self.free.acquire().await.ok().and_then(|permit| self.with(permit))
    }

    fn with<'a>(&'a self, permit: SemaphorePermit<'a>) -> Option<Place<'a>> {
        let number = self.content().begin()?;
        Some(Place { inbox: self, permit: Some(permit), number, sent: false })
    }

    /// Takes in what has arrived.
    pub(crate) fn take_in(&self) -> Result<(), ClientError> {
        self.content().take_in(&self.free)
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Content ===

impl Content {
    fn begin(&mut self) -> Option<u64> {
        let index = self.places.iter().position(|place| matches!(place.state, State::Free))?;
        let number = self.calls * MOST_UNDER_WAY as u64 + index as u64;
        self.calls += 1;
        self.places[index] = Waiting { number, state: State::Awaited };
        Some(number)
    }

    /// The place of a call, if it is still its own.
    fn place(&mut self, number: u64) -> Option<&mut Waiting> {
        let index = (number % MOST_UNDER_WAY as u64) as usize;
        self.places.get_mut(index).filter(|place| place.number == number)
    }

    fn take_in(&mut self, free: &Semaphore) -> Result<(), ClientError> {
        loop {
            let sample = self.replies.receive().map_err(|error| ClientError::Failed(format!("{error:?}")))?;
            let Some(sample) = sample else { return Ok(()) };
            // What nobody waits for is dropped.
            let Some(place) = self.place(*sample.user_header()) else { continue };
            match place.state {
                State::Awaited => {
                    place.state = State::Arrived(Reply::decode(sample.payload()));
                }
                State::GivenUp => {
                    place.state = State::Free;
                    free.add_permits(1);
                }
                State::Free | State::Arrived(_) => {}
            }
        }
    }
}

// === impl Place ===

impl Place<'_> {
    /// What the call and its reply carry.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Says that the call went out.
    pub(crate) fn sent(&mut self) {
        self.sent = true;
    }

    /// The reply, if it has arrived.
    pub(crate) fn look(&mut self) -> Result<Option<Reply>, ClientError> {
        let mut content = self.inbox.content();
        content.take_in(&self.inbox.free)?;
        let Some(place) = content.place(self.number) else { return Ok(None) };
        match std::mem::replace(&mut place.state, State::Free) {
            State::Arrived(reply) => {
                self.sent = false;
                reply.map(Some).map_err(|error| ClientError::Failed(error.to_string()))
            }
            state => {
                place.state = state;
                Ok(None)
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut content = self.inbox.content();
        let Some(place) = content.place(self.number) else { return };
        if self.sent && matches!(place.state, State::Awaited) {
            place.state = State::GivenUp;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        } else {
            place.state = State::Free;
        }
    }
}
