//! Those who share the events of a stream, and what of them is not settled yet.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::eventstreams::{Event, EventId, Outcome, SubscribeOptions};

/// `deadlines` holds exactly the takings in `taken`. An event behind `given` was given to nobody yet; one up to it was
/// settled unless it is in `back` or `taken`.
#[derive(Debug)]
pub(super) struct Group {
    number: u64,
    name: Option<Box<str>>,
    members: Vec<Member>,
    given: EventId,
    /// What was given back, with how often it was given.
    back: BTreeMap<EventId, u32>,
    taken: HashMap<u64, Taken>,
    deadlines: BTreeSet<(Instant, u64)>,
}

#[derive(Debug)]
struct Member {
    number: u64,
    terms: Terms,
    /// Deliveries whose tickets are still there.
    unsettled: usize,
    waker: Option<Waker>,
}

/// What of a subscription's options matters to each of its deliveries.
#[derive(Clone, Copy, Debug)]
struct Terms {
    max_deliveries: u32,
    ack_wait: Duration,
    concurrency: usize,
}

/// An event that a member has and has not settled.
#[derive(Debug)]
struct Taken {
    id: EventId,
    deliveries: u32,
    max_deliveries: u32,
    deadline: Instant,
}

/// What a member finds.
#[derive(Debug)]
pub(super) enum Found {
    /// An event for it, for the so many-th time.
    Event(Arc<Event>, u32),
    /// Nothing; it will be woken. If it was told a time, it should look again then.
    Nothing(Option<Instant>),
}

// === impl Group ===

impl Group {
    /// A group that reads the events behind one.
    pub(super) fn new(number: u64, name: Option<&str>, given: EventId) -> Self {
        Self {
            number,
            name: name.map(Into::into),
            members: Vec::new(),
            given,
            back: BTreeMap::new(),
            taken: HashMap::new(),
            deadlines: BTreeSet::new(),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn join(&mut self, number: u64, options: &SubscribeOptions) {
        let SubscribeOptions { max_deliveries, ack_wait, concurrency, .. } = *options;
        let terms = Terms { max_deliveries, ack_wait, concurrency };
        self.members.push(Member { number, terms, unsettled: 0, waker: None });
    }

    /// Ends a membership. Answers whether nobody can come back to the group.
    pub(super) fn leave(&mut self, member: u64) -> bool {
        self.members.retain(|other| other.number != member);
        // The leaving one may have been woken for an event that it now will not take.
        self.wake();
        self.name.is_none() && self.members.is_empty()
    }

    /// Wakes all members that wait: one of them alone might just have stopped waiting, and nobody would come. To be
    /// woken is to be scheduled, so that the lock may be held.
    pub(super) fn wake(&mut self) {
        for member in &mut self.members {
            if let Some(waker) = member.waker.take() {
                waker.wake();
            }
        }
    }

    /// Takes an event for a member that has not as many unsettled as it may, or has it woken. What was given up
    /// meanwhile goes to `dead`.
    pub(super) fn take(
        &mut self,
        events: &VecDeque<Arc<Event>>,
        (member, taking): (u64, u64),
        waker: &Waker,
        dead: &mut Vec<EventId>,
    ) -> Found {
        self.give_back_overdue(dead);
        let next_deadline = self.deadlines.first().map(|(deadline, _)| *deadline);
        let Some(place) = self.members.iter().position(|other| other.number == member) else {
            return Found::Nothing(None);
        };
        let Member { terms, unsettled, .. } = self.members[place];
        if unsettled < terms.concurrency
            && let Some((event, before)) = self.next(events)
        {
            self.members[place].unsettled += 1;
            // The longest wait for a settlement is far below what an instant can hold.
            let (deadline, deliveries) = (Instant::now() + terms.ack_wait, before.saturating_add(1));
            let taken = Taken { id: event.id, deliveries, max_deliveries: terms.max_deliveries, deadline };
            self.taken.insert(taking, taken);
            self.deadlines.insert((deadline, taking));
            return Found::Event(event, deliveries);
        }
        let mine = &mut self.members[place];
        if mine.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            mine.waker = Some(waker.clone());
        }
        Found::Nothing(next_deadline)
    }

    /// The next event to be given, with how often it was given before. What the stream has let go of is passed over.
    fn next(&mut self, events: &VecDeque<Arc<Event>>) -> Option<(Arc<Event>, u32)> {
        while let Some((id, before)) = self.back.pop_first() {
            if let Ok(place) = events.binary_search_by_key(&id, |event| event.id) {
                return Some((Arc::clone(&events[place]), before));
            }
        }
        let place = events.partition_point(|event| event.id <= self.given);
        let event = Arc::clone(events.get(place)?);
        self.given = event.id;
        Some((event, 0))
    }

    /// Ends a taking of a member, who may have another. Answers the event if it is given up; one that was overdue is
    /// settled no more.
    pub(super) fn settle(&mut self, member: u64, taking: u64, outcome: Outcome) -> Option<EventId> {
        if let Some(member) = self.members.iter_mut().find(|other| other.number == member) {
            member.unsettled = member.unsettled.saturating_sub(1);
            if let Some(waker) = member.waker.take() {
                waker.wake();
            }
        }
        let taken = self.taken.remove(&taking)?;
        self.deadlines.remove(&(taken.deadline, taking));
        match outcome {
            Outcome::Acknowledge => None,
            Outcome::Redeliver => self.give_back(&taken),
            Outcome::Discard => Some(taken.id),
        }
    }

    /// Gives back what members have not settled in time.
    fn give_back_overdue(&mut self, dead: &mut Vec<EventId>) {
        if self.deadlines.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(&(deadline, taking)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            if let Some(taken) = self.taken.remove(&taking) {
                dead.extend(self.give_back(&taken));
            }
        }
    }

    /// Answers the event if it was delivered as often as allowed.
    fn give_back(&mut self, taken: &Taken) -> Option<EventId> {
        if taken.deliveries >= taken.max_deliveries {
            return Some(taken.id);
        }
        self.back.insert(taken.id, taken.deliveries);
        self.wake();
        None
    }
}
