//! Who waits for an answer, in the order of the requests.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Response;

use super::{Lost, Message};

/// What became of a request.
pub(super) enum Outcome {
    Answer(Response<Bytes>),
    /// The sidecar did nothing of it: it may go over another connection.
    Undone,
    Failed(Lost),
}

/// The calls of one connection, and what is still to be written for them.
#[derive(Default)]
pub(super) struct Places {
    /// Used again once their callers have gone.
    places: Vec<Place>,
    free: Vec<usize>,
    /// Those whose answers are to come, in their order.
    due: VecDeque<usize>,
    /// What nobody has begun to write.
    unwritten: Vec<u8>,
    /// How many bytes of requests there were on this connection, with those in `unwritten`.
    length: u64,
    /// Whether any answer came on this connection. A sidecar that closes without one would else be tried without end.
    is_used: bool,
    /// Whether the connection's task was told that there is something to write.
    asked: bool,
    /// Why no more calls are taken.
    ended: Option<Lost>,
    /// Wakes the connection's task.
    task: Option<Waker>,
}

enum Place {
    Free,
    Waiting { begin: u64, caller: Option<Waker> },
    GivenUp { begin: u64 },
    Done(Outcome),
}

/// How a call gets to the sidecar.
pub(super) enum Entered {
    /// Nobody else has one: its caller writes it.
    Alone,
    /// The connection's task writes it; this wakes the task, unless somebody else does.
    Beside(Option<Waker>),
}

// === impl Places ===

impl Places {
    /// Takes a call; its place, and who writes it.
    pub(super) fn enter(&mut self, message: &Message) -> Result<(usize, Entered), Box<Outcome>> {
        if let Some(reason) = &self.ended {
            // While answers may still come, nobody knows yet whether this connection served anybody.
            let outcome = if self.are_due() { Outcome::Undone } else { self.undone(reason.clone()) };
            return Err(outcome.into());
        }
        let is_alone = self.free.len() == self.places.len();
        let number = self.free.pop().unwrap_or(self.places.len());
        let place = Place::Waiting { begin: self.length, caller: None };
        match self.places.get_mut(number) {
            Some(free) => *free = place,
            None => self.places.push(place),
        }
        self.due.push_back(number);
        let before = self.unwritten.len();
        message.write(&mut self.unwritten);
        self.length += (self.unwritten.len() - before) as u64;
        let entered = if is_alone { Entered::Alone } else { Entered::Beside(self.ask()) };
        Ok((number, entered))
    }

    /// Asks the connection's task to write; this wakes it, unless somebody else does.
    pub(super) fn ask(&mut self) -> Option<Waker> {
        if std::mem::replace(&mut self.asked, true) { None } else { self.task.clone() }
    }

    /// Whether the connection's task is to write. It has to be told who that is.
    pub(super) fn is_asked(&mut self, task: &Waker) -> bool {
        match &mut self.task {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
        self.asked
    }

    /// Moves what is to be written to the end of `out`.
    pub(super) fn take_unwritten(&mut self, out: &mut Vec<u8>) {
        self.asked = false;
        if out.is_empty() {
            std::mem::swap(out, &mut self.unwritten);
        } else {
            out.append(&mut self.unwritten);
        }
    }

    /// Whether answers are to come.
    pub(super) fn are_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// Gives an answer to the first that waits, whom it is to wake then. False where nobody has asked: of all requests, so
    /// many bytes are `written`.
    pub(super) fn answer(&mut self, response: Response<Bytes>, written: u64, wake: &mut Vec<Waker>) -> bool {
        let Some(&number) = self.due.front() else { return false };
        let Some(place) = self.places.get_mut(number).filter(|place| place.begin() < written) else {
            return false;
        };
        self.is_used = true;
        self.due.pop_front();
        match std::mem::replace(place, Place::Done(Outcome::Answer(response))) {
            Place::Waiting { caller, .. } => wake.extend(caller),
            _ => self.release(number),
        }
        true
    }

    /// Takes no more calls. Of those under way, those are undone that began behind what was `written`; all of them are where
    /// the sidecar said that it does no more.
    pub(super) fn end(&mut self, reason: &Lost, written: u64, wake: &mut Vec<Waker>) {
        self.ended.get_or_insert_with(|| reason.clone());
        for number in std::mem::take(&mut self.due) {
            let Some(place) = self.places.get(number) else { continue };
            let outcome = if place.begin() >= written {
                self.undone(reason.clone())
            } else {
                Outcome::Failed(reason.clone())
            };
            match self.places.get_mut(number).map(|place| std::mem::replace(place, Place::Done(outcome))) {
                Some(Place::Waiting { caller, .. }) => wake.extend(caller),
                _ => self.release(number),
            }
        }
    }

    /// Takes no more calls; those under way may still be answered.
    pub(super) fn refuse(&mut self, reason: Lost) {
        self.ended.get_or_insert(reason);
    }

    /// What wakes the connection's task.
    pub(super) fn task(&self) -> Option<Waker> {
        self.task.clone()
    }

    pub(super) fn ended(&self) -> Option<&Lost> {
        self.ended.as_ref()
    }

    /// What became of a call, whose place is free then.
    pub(super) fn poll(&mut self, number: usize, context: &Context<'_>) -> Poll<Outcome> {
        let Some(place) = self.places.get_mut(number) else {
            return Poll::Ready(Outcome::Failed(Lost::Closed));
        };
        if let Place::Waiting { caller, .. } = place {
            match caller {
                Some(known) => known.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        let done = std::mem::replace(place, Place::Free);
        self.free.push(number);
        Poll::Ready(match done {
            Place::Done(outcome) => outcome,
            _ => Outcome::Failed(Lost::Closed),
        })
    }

    /// The caller has gone. Its answer, if it is still to come, is nobody's, and keeps its turn.
    pub(super) fn give_up(&mut self, number: usize) {
        match self.places.get_mut(number) {
            Some(place @ Place::Waiting { .. }) => *place = Place::GivenUp { begin: place.begin() },
            _ => self.release(number),
        }
    }

    fn release(&mut self, number: usize) {
        if let Some(place) = self.places.get_mut(number) {
            *place = Place::Free;
            self.free.push(number);
        }
    }

    fn undone(&self, reason: Lost) -> Outcome {
        if self.is_used { Outcome::Undone } else { Outcome::Failed(reason) }
    }
}

// === impl Place ===

impl Place {
    /// Where its request begins, among all bytes of the connection.
    fn begin(&self) -> u64 {
        match self {
            Self::Waiting { begin, .. } | Self::GivenUp { begin } => *begin,
            Self::Free | Self::Done(_) => 0,
        }
    }
}
