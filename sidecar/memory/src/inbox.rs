//! The replies that a client waits for.

use std::sync::Arc;

use iceoryx2::port::subscriber::Subscriber;
use pillion_calls::Reply;
use prost::{DecodeError, Message as _};
use tokio::sync::Notify;

use crate::message::{Front, Message, open};
use crate::service::{MOST_READ, Service};
use crate::{ClientError, MOST_UNDER_WAY};

type Replies = Subscriber<Service, [u8], Front>;

/// Where replies arrive. All tasks share it: whoever looks takes in what is there for any of them.
pub(crate) struct Inbox {
    replies: Replies,
    /// Those that were read, to be given back.
    read: Vec<Message>,
    /// A call that was given up keeps its place until its reply came, so that no more replies are under way than there
    /// is room for.
    places: Vec<Place>,
    /// Calls so far: what tells the calls of one place apart.
    calls: u64,
    /// Calls that wait for their reply.
    awaited: usize,
    /// Who waits for a place.
    queue: usize,
    freed: Arc<Notify>,
}

struct Place {
    /// The number of the call that has it; the place is its remainder by [`MOST_UNDER_WAY`].
    number: u64,
    state: State,
}

enum State {
    Free,
    Awaited,
    GivenUp,
    Arrived(Result<Reply, DecodeError>),
}

/// What a look found.
pub(crate) enum Look {
    Reply(Reply),
    Nothing {
        /// Whether no other call waits.
        alone: bool,
    },
}

// === impl Inbox ===

impl Inbox {
    /// Its places become free one by one, and `freed` tells those who wait for one.
    pub(crate) fn new(replies: Replies, freed: Arc<Notify>) -> Self {
        let places = (0..MOST_UNDER_WAY).map(|_| Place { number: 0, state: State::Free }).collect();
        Self { replies, read: Vec::with_capacity(MOST_READ), places, calls: 0, awaited: 0, queue: 0, freed }
    }

    /// Takes a place for a call that will be sent, and answers its number; none if none is free.
    pub(crate) fn begin(&mut self) -> Option<u64> {
        let index = self.places.iter().position(|place| matches!(place.state, State::Free))?;
        let number = self.calls * MOST_UNDER_WAY as u64 + index as u64;
        self.calls += 1;
        self.awaited += 1;
        self.places[index] = Place { number, state: State::Awaited };
        Some(number)
    }

    /// Looks for the reply to a call. Once it is found the place is free.
    pub(crate) fn look(&mut self, number: u64) -> Result<Look, ClientError> {
        self.take_in()?;
        let index = index(number);
        match self.places.get_mut(index) {
            Some(Place { number: current, state }) if *current == number => {
                if let State::Arrived(reply) = state {
                    let reply = std::mem::replace(reply, Ok(Reply::default()));
                    self.awaited -= 1;
                    self.free(index);
                    return reply.map(Look::Reply).map_err(|error| ClientError::Failed(error.to_string()));
                }
            }
            _ => {}
        }
        Ok(Look::Nothing { alone: self.awaited <= 1 })
    }

    /// Gives a call up.
    pub(crate) fn give_up(&mut self, number: u64) {
        let index = index(number);
        let Some(place) = self.places.get_mut(index).filter(|place| place.number == number) else { return };
        match place.state {
            State::Awaited => {
                place.state = State::GivenUp;
                self.awaited -= 1;
            }
            State::Arrived(_) => {
                self.awaited -= 1;
                self.free(index);
            }
            State::Free | State::GivenUp => {}
        }
    }

    /// Undoes a beginning: the call was not sent.
    pub(crate) fn unsent(&mut self, number: u64) {
        self.awaited -= 1;
        self.free(index(number));
    }

    /// Takes in what has arrived.
    pub(crate) fn take_in(&mut self) -> Result<(), ClientError> {
        loop {
            if self.read.len() == MOST_READ {
                self.read.clear();
            }
            let sample = self.replies.receive().map_err(|error| ClientError::Failed(format!("{error:?}")))?;
            let Some(sample) = sample else { return Ok(()) };
            let (number, bytes) = open(&sample);
            let index = index(number);
            // What nobody waits for is dropped.
            let Some(place) = self.places.get_mut(index).filter(|place| place.number == number) else {
                continue;
            };
            match place.state {
                State::Awaited => place.state = State::Arrived(Reply::decode(bytes)),
                State::GivenUp => self.free(index),
                State::Free | State::Arrived(_) => {}
            }
            self.read.push(sample);
        }
    }

    /// Joins those who wait for a place, unless one is free; whether it did.
    pub(crate) fn queue(&mut self) -> bool {
        let is_full = !self.places.iter().any(|place| matches!(place.state, State::Free));
        self.queue += usize::from(is_full);
        is_full
    }

    pub(crate) fn leave_queue(&mut self) {
        self.queue -= 1;
    }

    fn free(&mut self, index: usize) {
        if let Some(place) = self.places.get_mut(index) {
            place.state = State::Free;
        }
        if self.queue > 0 {
            self.freed.notify_one();
        }
    }
}

fn index(number: u64) -> usize {
    (number % MOST_UNDER_WAY as u64) as usize
}
