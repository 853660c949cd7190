//! What the provider, its subscriptions and its deliveries share: the connection and the commands.

use std::time::Duration;

use ::redis::RedisError;

use super::script::SCRIPTS;
use super::wire::{Fields, fields};
use crate::messaging::Message;
use crate::redis::link::Link;
use crate::redis::script::call;
use crate::{Error, Result};

pub(super) struct Broker {
    link: Link,
    url: String,
    most: u32,
}

/// A stream's entry with how often it was given to its group.
pub(super) type Claimed = (String, Fields, u32);

/// What stands before the name of a group that one subscription has alone.
pub(super) const ALONE: &str = "pillion-alone:";

/// How long such a group stays when nobody renews its lease.
const LEASE_SECONDS: u32 = 60 * 60;

/// A delivery that is to be claimed next looks this old: as old as the longest wait for a settlement.
const OVERDUE_MS: u32 = 24 * 60 * 60 * 1000;

// === impl Broker ===

impl Broker {
    pub(super) async fn connect(url: &str, most: u32) -> Result<Self> {
        Ok(Self { link: Link::connect(url).await?, url: url.to_owned(), most })
    }

    /// A further connection: one that waits for messages makes others wait behind it.
    pub(super) async fn another_link(&self) -> Result<Link> {
        Link::connect(&self.url).await
    }

    pub(super) async fn publish(&self, topic: &str, message: &Message) -> Result<()> {
        let mut command = call(&SCRIPTS.publish, [topic].into_iter());
        command.arg(self.most);
        for field in fields(message) {
            command.arg(&*field);
        }
        let published = self.link.script::<bool>(&SCRIPTS.publish, &command).await;
        self.unless_full(topic, published)
    }

    pub(super) async fn acknowledge(&self, topic: &str, group: &str, id: &str) -> Result<()> {
        let mut command = ::redis::cmd("XACK");
        command.arg(topic).arg(group).arg(id);
        self.link.query::<()>(&command).await.map_err(|error| self.link.error(&error))
    }

    /// Makes a delivery the next to be claimed by any member of its group.
    pub(super) async fn give_back(
        &self,
        topic: &str,
        group: &str,
        consumer: &str,
        id: &str,
        attempt: u32,
    ) -> Result<()> {
        let mut command = call(&SCRIPTS.give_back, [topic].into_iter());
        command.arg(group).arg(consumer).arg(id).arg(attempt).arg(OVERDUE_MS);
        let result = self.link.script::<()>(&SCRIPTS.give_back, &command).await;
        result.map_err(|error| self.link.error(&error))
    }

    /// Moves a message to the dead-letter topic.
    pub(super) async fn bury(
        &self,
        topic: &str,
        dead_letter: &str,
        group: &str,
        consumer: &str,
        id: &str,
    ) -> Result<()> {
        let mut command = call(&SCRIPTS.bury, [topic, dead_letter].into_iter());
        command.arg(group).arg(consumer).arg(id).arg(self.most);
        let buried = self.link.script::<bool>(&SCRIPTS.bury, &command).await;
        self.unless_full(dead_letter, buried)
    }

    /// Makes a group for one subscription alone.
    pub(super) async fn join_alone(&self, topic: &str, group: &str) -> Result<()> {
        let mut command = call(&SCRIPTS.join_alone, [topic, group].into_iter());
        command.arg(ALONE).arg(LEASE_SECONDS);
        let result = self.link.script::<()>(&SCRIPTS.join_alone, &command).await;
        result.map_err(|error| self.link.error(&error))
    }

    /// Destroys such a group.
    pub(super) async fn leave_alone(&self, topic: &str, group: &str) -> Result<()> {
        let mut commands = ::redis::pipe();
        commands.cmd("XGROUP").arg("DESTROY").arg(topic).arg(group).ignore();
        commands.cmd("DEL").arg(group).ignore();
        self.link.pipeline::<()>(&commands).await.map_err(|error| self.link.error(&error))
    }

    /// Takes the consumers that have no messages off a group.
    pub(super) async fn leave(&self, topic: &str, group: &str) -> Result<()> {
        let mut command = call(&SCRIPTS.leave, [topic].into_iter());
        command.arg(group);
        let result = self.link.script::<()>(&SCRIPTS.leave, &command).await;
        result.map_err(|error| self.link.error(&error))
    }

    fn unless_full(&self, topic: &str, done: Result<bool, RedisError>) -> Result<()> {
        match done {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Overloaded {
                provider: "redis_streams".to_owned(),
                reason: format!(
                    "topic {topic} holds {} messages that some group has not settled, and may hold no more; \
                     see that all its groups are read, or destroy those that nobody needs",
                    self.most
                ),
            }),
            Err(error) => Err(self.link.error(&error)),
        }
    }
}

// === free functions ===

/// Makes a group that gets what comes after `from`, unless it is there already.
pub(super) async fn make_group(link: &Link, topic: &str, group: &str, from: &str) -> Result<()> {
    let mut command = ::redis::cmd("XGROUP");
    command.arg("CREATE").arg(topic).arg(group).arg(from).arg("MKSTREAM");
    match link.query::<()>(&command).await {
        Err(error) if error.code() != Some("BUSYGROUP") => Err(link.error(&error)),
        _ => Ok(()),
    }
}

/// Whether a group, and maybe all of its stream, is not there.
pub(super) fn group_is_gone(error: &RedisError) -> bool {
    error.code() == Some("NOGROUP")
}

/// Renews the lease of a group that one subscription has alone.
pub(super) async fn renew(link: &Link, group: &str) -> Result<(), RedisError> {
    let mut command = ::redis::cmd("SET");
    command.arg(group).arg("").arg("EX").arg(LEASE_SECONDS);
    link.query(&command).await
}

/// New messages for a consumer: waits for the first for a while.
pub(super) async fn read(
    link: &Link,
    topic: &str,
    (group, consumer): (&str, &str),
    count: usize,
    block: Duration,
) -> Result<Vec<(String, Fields)>, RedisError> {
    let mut command = ::redis::cmd("XREADGROUP");
    command
        .arg("GROUP")
        .arg(group)
        .arg(consumer)
        .arg("COUNT")
        .arg(count)
        .arg("BLOCK")
        .arg(block.as_millis().to_string());
    command.arg("STREAMS").arg(topic).arg(">");
    let read: Vec<(String, Vec<(String, Fields)>)> = link.query(&command).await?;
    Ok(read.into_iter().flat_map(|(_, entries)| entries).collect())
}

/// Overdue messages, given to a consumer, and where to look on next time.
pub(super) async fn claim(
    link: &Link,
    topic: &str,
    (group, consumer): (&str, &str),
    overdue_ms: u128,
    cursor: &str,
    count: usize,
) -> Result<(String, Vec<Claimed>), RedisError> {
    let mut command = call(&SCRIPTS.claim, [topic].into_iter());
    command.arg(group).arg(consumer).arg(overdue_ms.to_string()).arg(cursor).arg(count);
    link.script(&SCRIPTS.claim, &command).await
}
