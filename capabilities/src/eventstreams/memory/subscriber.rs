//! The subscriber's side of a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Shared;
use super::group::Found;
use crate::delivery::Alarm;
use crate::eventstreams::check::check_subscribe;
use crate::eventstreams::{
    Delivery, Operation, Outcome, Received, Settle, SubscribeOptions, Ticket, given_up,
};
use crate::{Answer, Counters, Result};

/// The deliveries of one member.
pub(super) struct Subscriber {
    place: Place,
    counters: Arc<Counters<Operation>>,
    /// Wakes it when the next delivery of its group is overdue.
    alarm: Alarm,
}

/// A member's place in a stream.
#[derive(Clone)]
struct Place {
    shared: Arc<Shared>,
    stream: Arc<str>,
    group: u64,
    member: u64,
}

/// Settles one taking.
struct Settlement {
    place: Place,
    taking: u64,
}

// === impl Subscriber ===

impl Subscriber {
    pub(super) fn join(
        shared: &Arc<Shared>,
        counters: &Arc<Counters<Operation>>,
        stream: &str,
        options: &SubscribeOptions,
    ) -> Result<Self> {
        check_subscribe(stream, options)?;
        let mut state = shared.state.lock();
        state.make_room(stream, shared.room, 0, 0)?;
        let (group, member) = (state.next(), state.next());
        let Some(found) = state.streams.get_mut(stream) else { return Err(super::full(shared.room)) };
        let joined = found.group_named(options.group.as_deref(), options.start, group);
        let group = joined.map(|group| {
            group.join(member, options);
            group.number()
        })?;
        drop(state);
        let place = Place { shared: Arc::clone(shared), stream: stream.into(), group, member };
        Ok(Self { place, counters: Arc::clone(counters), alarm: Alarm::default() })
    }
}

impl futures_util::Stream for Subscriber {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let this = self.get_mut();
        loop {
            let Place { shared, stream, group, member } = &this.place;
            let mut dead = Vec::new();
            let (found, taking) = {
                let mut state = shared.state.lock();
                let taking = state.next();
                let found = state.streams.get_mut(stream).and_then(|stream| stream.group(*group));
                let Some((group, events)) = found else { return Poll::Pending };
                (group.take(events, (*member, taking), context.waker(), &mut dead), taking)
            };
            for id in dead {
                given_up(stream, id);
            }
            match found {
                Found::Event(event, attempt) => {
                    let received = Received { stream: Arc::clone(stream), event, attempt };
                    let settle = Box::new(Settlement { place: this.place.clone(), taking });
                    let counters = Arc::clone(&this.counters);
                    return Poll::Ready(Some(Delivery { received, ticket: Ticket::new(counters, settle) }));
                }
                Found::Nothing(Some(deadline)) if this.alarm.due(deadline, context) => {}
                Found::Nothing(_) => return Poll::Pending,
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let Place { shared, stream, group, member } = &self.place;
        let mut state = shared.state.lock();
        if let Some(stream) = state.streams.get_mut(stream) {
            stream.leave(*group, *member);
        }
        state.forget_if_unused(stream);
    }
}

// === impl Settlement ===

impl Settle for Settlement {
    fn settle(self: Box<Self>, outcome: Outcome) -> Answer<()> {
        let Place { shared, stream, group, member } = &self.place;
        let dead = {
            let mut state = shared.state.lock();
            let found = state.streams.get_mut(stream).and_then(|stream| stream.group(*group));
            found.and_then(|(group, _)| group.settle(*member, self.taking, outcome))
        };
        if let Some(id) = dead {
            given_up(stream, id);
        }
        Answer::Ready(Ok(()))
    }
}
