//! One topic: its groups, and what each of them has not settled yet.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use parking_lot::Mutex;

use super::Limits;
use crate::messaging::{Message, Received, SubscribeOptions};
use crate::{Error, Result};

/// A topic with at least one group, but for the moments in which it is made and given up.
pub(super) struct Topic {
    name: Arc<str>,
    limits: Limits,
    state: Mutex<State>,
}

/// A subscriber's place in a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    group: u64,
    id: u64,
}

/// One delivery of one message. No two are ever the same within a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taking {
    pub(super) member: Member,
    id: u64,
}

/// What a subscriber finds.
pub(super) enum Found {
    /// A message for it.
    Message(Received, Taking),
    /// Nothing; it will be woken. If it was told a time, it should look again then.
    Nothing(Option<Instant>),
    /// Messages that were delivered as often as allowed and are to be buried before it looks again.
    Dead(Vec<Dead>),
}

/// A message that is not to be delivered again. It takes up no room in its group any more.
pub(super) struct Dead {
    item: Item,
    pub(super) dead_letter: Option<Arc<str>>,
    group: u64,
}

#[derive(Default)]
struct State {
    groups: Vec<Group>,
    /// The last number given to a group, a member or a taking.
    last: u64,
}

/// `deadlines` holds exactly the takings in `taken`; `bytes` is the sum over `ready` and `taken`.
struct Group {
    id: u64,
    name: Option<Box<str>>,
    members: Vec<MemberState>,
    ready: VecDeque<Item>,
    taken: HashMap<u64, Taken>,
    deadlines: BTreeSet<(Instant, u64)>,
    bytes: usize,
    /// No message in `ready` expires before this.
    next_expiry: Option<Instant>,
}

struct MemberState {
    id: u64,
    options: Arc<Options>,
    /// Deliveries whose tickets are still there.
    unsettled: usize,
    waker: Option<Waker>,
}

/// What of a subscription's options matters to each of its deliveries.
struct Options {
    max_deliveries: u32,
    dead_letter: Option<Arc<str>>,
    ack_wait: Duration,
    concurrency: usize,
}

/// A message in a group.
struct Item {
    message: Arc<Message>,
    expires: Option<Instant>,
    deliveries: u32,
}

/// A message that a member has and has not settled.
struct Taken {
    item: Item,
    options: Arc<Options>,
    deadline: Instant,
}

// === impl Topic ===

impl Topic {
    pub(super) fn new(name: &str, limits: Limits) -> Self {
        Self { name: name.into(), limits, state: Mutex::default() }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn held(&self) -> usize {
        self.state.lock().groups.iter().map(Group::len).sum()
    }

    pub(super) fn join(&self, options: SubscribeOptions) -> Member {
        let SubscribeOptions { group: name, max_deliveries, dead_letter, ack_wait, concurrency, start: _ } =
            options;
        let options =
            Options { max_deliveries, dead_letter: dead_letter.map(Into::into), ack_wait, concurrency };
        let mut state = self.state.lock();
        let id = state.next();
        let member = MemberState { id, options: Arc::new(options), unsettled: 0, waker: None };
        let named = |group: &&mut Group| name.is_some() && group.name.as_deref() == name.as_deref();
        if let Some(group) = state.groups.iter_mut().find(named) {
            group.members.push(member);
            return Member { group: group.id, id };
        }
        let group = state.next();
        state.groups.push(Group {
            id: group,
            name: name.map(Into::into),
            members: vec![member],
            ready: VecDeque::new(),
            taken: HashMap::new(),
            deadlines: BTreeSet::new(),
            bytes: 0,
            next_expiry: None,
        });
        Member { group, id }
    }

    /// Ends a membership, and its group with the last one. Answers whether no group is left.
    pub(super) fn leave(&self, member: Member) -> bool {
        let mut state = self.state.lock();
        let ended = state.group(member.group).is_some_and(|group| {
            group.members.retain(|other| other.id != member.id);
            // The leaving one may have been woken for a message that it now will not take.
            group.wake();
            group.members.is_empty()
        });
        if ended {
            state.groups.retain(|group| group.id != member.group);
        }
        state.groups.is_empty()
    }

    /// Queues a message for every group, or for none if one has no room.
    pub(super) fn publish(&self, mut message: Message) -> Result<()> {
        let expires = message.ttl.take().and_then(|ttl| Instant::now().checked_add(ttl));
        let size = size(&message);
        if size > self.limits.bytes {
            return Err(Error::InvalidArgument(format!(
                "the message has {size} bytes; the memory provider was set up to hold {} at most",
                self.limits.bytes
            )));
        }
        let mut state = self.state.lock();
        for group in &mut state.groups {
            if !group.has_room(size, self.limits) {
                group.sweep(Instant::now());
                if !group.has_room(size, self.limits) {
                    return Err(self.overloaded(group));
                }
            }
        }
        let message = Arc::new(message);
        for group in &mut state.groups {
            group.push(Item { message: Arc::clone(&message), expires, deliveries: 0 });
            group.wake();
        }
        Ok(())
    }

    /// Takes a message for a member that has not as many unsettled as it may, or has it woken by `waker`.
    pub(super) fn take(&self, member: Member, waker: &Waker) -> Found {
        let mut state = self.state.lock();
        let id = state.next();
        let Some(group) = state.group(member.group) else { return Found::Nothing(None) };
        let dead = group.give_back_overdue();
        if !dead.is_empty() {
            return Found::Dead(dead);
        }
        let next_deadline = group.deadlines.first().map(|(deadline, _)| *deadline);
        let Some(mine) = group.members.iter_mut().find(|other| other.id == member.id) else {
            return Found::Nothing(None);
        };
        if mine.unsettled < mine.options.concurrency
            && let Some(mut item) = pop_live(&mut group.ready, &mut group.bytes)
        {
            mine.unsettled += 1;
            item.deliveries = item.deliveries.saturating_add(1);
            let (message, attempt) = (Arc::clone(&item.message), item.deliveries);
            // The longest wait for a settlement is far below what an instant can hold.
            let deadline = Instant::now() + mine.options.ack_wait;
            group.taken.insert(id, Taken { item, options: Arc::clone(&mine.options), deadline });
            group.deadlines.insert((deadline, id));
            let received = Received { topic: Arc::clone(&self.name), message, attempt };
            return Found::Message(received, Taking { member, id });
        }
        if mine.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            mine.waker = Some(waker.clone());
        }
        Found::Nothing(next_deadline)
    }

    /// The message of a taking was dealt with. One that was overdue is settled no more.
    pub(super) fn acknowledge(&self, taking: Taking) {
        if let Some((group, taken)) = self.state.lock().release(taking) {
            group.bytes -= size(&taken.item.message);
        }
    }

    /// The message of a taking goes back, or is dead if it was delivered as often as allowed.
    pub(super) fn give_back(&self, taking: Taking) -> Option<Dead> {
        let mut state = self.state.lock();
        let (group, taken) = state.release(taking)?;
        group.give_back(taken)
    }

    /// As [`Self::give_back`], where nobody looked at the message: it was not delivered then.
    pub(super) fn take_back(&self, taking: Taking) {
        let mut state = self.state.lock();
        let Some((group, mut taken)) = state.release(taking) else { return };
        taken.item.deliveries = taken.item.deliveries.saturating_sub(1);
        // Its size is part of the sum already.
        group.bytes -= size(&taken.item.message);
        group.push_first(taken.item);
        group.wake();
    }

    /// As [`Self::give_back`], but not before so long a pause: until then it is as if a member had it.
    pub(super) fn give_back_later(&self, taking: Taking, pause: Duration) -> Option<Dead> {
        let mut state = self.state.lock();
        let (group, taken) = state.release(taking)?;
        if taken.item.deliveries >= taken.options.max_deliveries {
            return Some(group.kill(taken));
        }
        let deadline = Instant::now() + pause.min(taken.options.ack_wait);
        group.deadlines.insert((deadline, taking.id));
        group.taken.insert(taking.id, Taken { deadline, ..taken });
        None
    }

    /// The message of a taking is dead.
    pub(super) fn discard(&self, taking: Taking) -> Option<Dead> {
        let mut state = self.state.lock();
        let (group, taken) = state.release(taking)?;
        Some(group.kill(taken))
    }

    /// Gives a message that could not be buried back to its group, whether or not there is room for it.
    pub(super) fn revive(&self, dead: Dead) {
        if let Some(group) = self.state.lock().group(dead.group) {
            group.push(dead.item);
            group.wake();
        }
    }

    fn overloaded(&self, group: &Group) -> Error {
        let reader = group
            .name
            .as_deref()
            .map_or_else(|| "a subscription without a group".to_owned(), |name| format!("group {name}"));
        Error::Overloaded {
            provider: "memory".to_owned(),
            reason: format!(
                "{reader} of topic {} holds {} messages of {} bytes, and may hold {} of {}; \
                 wait until it has settled some",
                self.name,
                group.len(),
                group.bytes,
                self.limits.messages,
                self.limits.bytes
            ),
        }
    }
}

// === impl State ===

impl State {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn group(&mut self, id: u64) -> Option<&mut Group> {
        self.groups.iter_mut().find(|group| group.id == id)
    }

    /// Ends a taking: its member may have another. `None` if it was overdue and is settled no more.
    fn release(&mut self, taking: Taking) -> Option<(&mut Group, Taken)> {
        let group = self.group(taking.member.group)?;
        if let Some(member) = group.members.iter_mut().find(|member| member.id == taking.member.id) {
            member.unsettled = member.unsettled.saturating_sub(1);
            if let Some(waker) = member.waker.take() {
                waker.wake();
            }
        }
        let taken = group.taken.remove(&taking.id)?;
        group.deadlines.remove(&(taken.deadline, taking.id));
        Some((group, taken))
    }
}

// === impl Group ===

impl Group {
    fn len(&self) -> usize {
        self.ready.len() + self.taken.len()
    }

    fn has_room(&self, size: usize, limits: Limits) -> bool {
        self.len() < limits.messages && self.bytes.saturating_add(size) <= limits.bytes
    }

    fn push(&mut self, item: Item) {
        self.count(&item);
        self.ready.push_back(item);
    }

    /// Before all others.
    fn push_first(&mut self, item: Item) {
        self.count(&item);
        self.ready.push_front(item);
    }

    fn count(&mut self, item: &Item) {
        self.bytes += size(&item.message);
        if let Some(expires) = item.expires {
            self.next_expiry = Some(self.next_expiry.map_or(expires, |next| next.min(expires)));
        }
    }

    /// Wakes all members that wait: one of them alone might just have stopped waiting, and nobody would come. To be
    /// woken is to be scheduled, so that the lock may be held.
    fn wake(&mut self) {
        for member in &mut self.members {
            if let Some(waker) = member.waker.take() {
                waker.wake();
            }
        }
    }

    /// Removes expired messages from the queue. Costs nothing while there are none.
    fn sweep(&mut self, now: Instant) {
        if self.next_expiry.is_none_or(|next| next > now) {
            return;
        }
        self.ready.retain(|item| {
            let live = item.expires.is_none_or(|expires| expires > now);
            if !live {
                self.bytes -= size(&item.message);
            }
            live
        });
        self.next_expiry = self.ready.iter().filter_map(|item| item.expires).min();
    }

    /// Gives back what members have not settled in time, and answers what is dead.
    fn give_back_overdue(&mut self) -> Vec<Dead> {
        let mut dead = Vec::new();
        if self.deadlines.is_empty() {
            return dead;
        }
        let now = Instant::now();
        while let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= now
        {
            self.deadlines.pop_first();
            if let Some(taken) = self.taken.remove(&id) {
                dead.extend(self.give_back(taken));
            }
        }
        dead
    }

    fn give_back(&mut self, taken: Taken) -> Option<Dead> {
        if taken.item.deliveries >= taken.options.max_deliveries {
            return Some(self.kill(taken));
        }
        // Its size is part of the sum already, and is not to be added again.
        self.bytes -= size(&taken.item.message);
        self.push(taken.item);
        self.wake();
        None
    }

    fn kill(&mut self, taken: Taken) -> Dead {
        self.bytes -= size(&taken.item.message);
        Dead { dead_letter: taken.options.dead_letter.clone(), item: taken.item, group: self.id }
    }
}

// === impl Dead ===

impl Dead {
    pub(super) fn message(&self) -> &Message {
        &self.item.message
    }
}

// === free functions ===

/// The first message that has not expired.
fn pop_live(ready: &mut VecDeque<Item>, bytes: &mut usize) -> Option<Item> {
    while let Some(item) = ready.pop_front() {
        if item.expires.is_none_or(|expires| expires > Instant::now()) {
            return Some(item);
        }
        *bytes -= size(&item.message);
    }
    None
}

/// How much of the bound on bytes a message takes.
fn size(message: &Message) -> usize {
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    message.body.len() + message.reply_to.as_ref().map_or(0, String::len) + headers
}
