//! One stream: its events, and who reads them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use super::group::Group;
use crate::eventstreams::{Event, EventId, MOST_GROUPS, Start, Values};
use crate::{Error, Result};

#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) events: VecDeque<Arc<Event>>,
    last: Option<EventId>,
    /// What its events take up of the room, in bytes.
    pub(super) used: u64,
    groups: Vec<Group>,
}

// === impl Stream ===

impl Stream {
    /// Appends an event, and tells its readers.
    pub(super) fn push(&mut self, values: Values) -> EventId {
        let id = self.next();
        self.events.push_back(Arc::new(Event { id, values }));
        self.groups.iter_mut().for_each(Group::wake);
        id
    }

    /// The id of an event that is written now. It is greater than the last one even if the clock was set back.
    fn next(&mut self) -> EventId {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = EventId { time: u64::try_from(since.as_millis()).unwrap_or(u64::MAX), number: 0 };
        let id = match self.last {
            Some(last) if last >= now => EventId { time: last.time, number: last.number + 1 },
            _ => now,
        };
        self.last = Some(id);
        id
    }

    pub(super) fn is_unused(&self) -> bool {
        self.last.is_none() && self.groups.is_empty()
    }

    /// The group of that name, or else a new one of that number.
    pub(super) fn group_named(
        &mut self,
        name: Option<&str>,
        start: Start,
        number: u64,
    ) -> Result<&mut Group> {
        let place = self.groups.iter().position(|group| name.is_some() && group.name() == name);
        let place = match place {
            Some(place) => place,
            None if self.groups.len() >= MOST_GROUPS => {
                let what = "groups that read a stream in memory; read by the names of some".to_owned();
                return Err(Error::TooMuch { what, most: MOST_GROUPS as u64 });
            }
            None => {
                let from = match start {
                    Start::New => self.last.unwrap_or_default(),
                    Start::Eldest => EventId::default(),
                    Start::After(id) => id,
                };
                self.groups.push(Group::new(number, name, from));
                self.groups.len() - 1
            }
        };
        // It was found or put there.
        self.groups.get_mut(place).ok_or_else(|| super::full(0))
    }

    /// A group with the events that it reads.
    pub(super) fn group(&mut self, number: u64) -> Option<(&mut Group, &VecDeque<Arc<Event>>)> {
        let group = self.groups.iter_mut().find(|group| group.number() == number)?;
        Some((group, &self.events))
    }

    /// Ends a membership, and with it a group that nobody else can come back to.
    pub(super) fn leave(&mut self, group: u64, member: u64) {
        if let Some((found, _)) = self.group(group)
            && found.leave(member)
        {
            self.groups.retain(|other| other.number() != group);
        }
    }
}
