//! Consumer groups of a server's streams: what messages and events have in common.

mod reader;
mod script;

use std::sync::Arc;
use std::time::Duration;

use ::redis::RedisError;
use bytes::Bytes;

use super::link::Link;
use super::script::call;
use crate::Result;
use script::SCRIPTS;

pub(crate) use reader::{Entries, Reader, Terms};
pub(crate) use script::GIVEN;

/// The connection, and the commands about groups. Copies share the connection.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    link: Link,
    url: Arc<str>,
}

/// An entry that was given to a consumer of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) stream: &'a str,
    pub(crate) group: &'a str,
    pub(crate) consumer: &'a str,
    pub(crate) id: &'a str,
}

/// Field names and values of an entry, one after another.
pub(crate) type Fields = Vec<Bytes>;

/// A stream's entry with how often it was given to its group.
type Claimed = (String, Fields, u32);

/// What stands before the name of a group that one subscription has alone.
const ALONE: &str = "pillion-alone:";

/// How long such a group stays when nobody renews its lease.
const LEASE_SECONDS: u32 = 60 * 60;

/// A delivery that is to be claimed next looks this old: as old as the longest wait for a settlement.
const OVERDUE_MS: u128 = 24 * 60 * 60 * 1000;

// === impl Groups ===

impl Groups {
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        Ok(Self { link: Link::connect(url).await?, url: url.into() })
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// A further connection: one that waits for entries makes others wait behind it.
    async fn another_link(&self) -> Result<Link> {
        Link::connect(&self.url).await
    }

    /// The entry was dealt with.
    pub(crate) async fn acknowledge(&self, entry: Entry<'_>) -> Result<()> {
        let mut command = ::redis::cmd("XACK");
        command.arg(entry.stream).arg(entry.group).arg(entry.id);
        self.link.query::<()>(&command).await.map_err(|error| self.link.error(&error))
    }

    /// Makes a delivery look as old as that, and so to be claimed by any member of its group: the next to be, if none is
    /// older. Its message counts as `given` so many times then.
    async fn give_back(&self, entry: Entry<'_>, attempt: u32, given: u32, age_ms: u128) -> Result<()> {
        let mut command = call(&SCRIPTS.give_back, [entry.stream].into_iter());
        command.arg(entry.group).arg(entry.consumer).arg(entry.id).arg(attempt);
        command.arg(given).arg(age_ms.to_string());
        let result = self.link.script::<()>(&SCRIPTS.give_back, &command).await;
        result.map_err(|error| self.link.error(&error))
    }

    /// Makes a group for one subscription alone, which gets what comes after `from`.
    async fn join_alone(&self, stream: &str, group: &str, from: &str) -> Result<(), RedisError> {
        let mut command = call(&SCRIPTS.join_alone, [stream, group].into_iter());
        command.arg(ALONE).arg(LEASE_SECONDS).arg(from);
        self.link.script::<()>(&SCRIPTS.join_alone, &command).await
    }

    /// Destroys such a group.
    async fn leave_alone(&self, stream: &str, group: &str) -> Result<()> {
        let mut commands = ::redis::pipe();
        commands.cmd("XGROUP").arg("DESTROY").arg(stream).arg(group).ignore();
        commands.cmd("DEL").arg(group).ignore();
        self.link.pipeline::<()>(&commands).await.map_err(|error| self.link.error(&error))
    }

    /// Takes the consumers that have nothing off a group.
    async fn leave(&self, stream: &str, group: &str) -> Result<()> {
        let mut command = call(&SCRIPTS.leave, [stream].into_iter());
        command.arg(group);
        let result = self.link.script::<()>(&SCRIPTS.leave, &command).await;
        result.map_err(|error| self.link.error(&error))
    }
}

// === free functions ===

/// Makes a group that gets what comes after `from`, unless it is there already.
async fn make_group(link: &Link, stream: &str, group: &str, from: &str) -> Result<(), RedisError> {
    let mut command = ::redis::cmd("XGROUP");
    command.arg("CREATE").arg(stream).arg(group).arg(from).arg("MKSTREAM");
    match link.query::<()>(&command).await {
        Err(error) if error.code() != Some("BUSYGROUP") => Err(error),
        _ => Ok(()),
    }
}

/// Whether a group, and maybe all of its stream, is not there.
fn group_is_gone(error: &RedisError) -> bool {
    error.code() == Some("NOGROUP")
}

/// Renews the lease of a group that one subscription has alone.
async fn renew(link: &Link, group: &str) -> Result<(), RedisError> {
    let mut command = ::redis::cmd("SET");
    command.arg(group).arg("").arg("EX").arg(LEASE_SECONDS);
    link.query(&command).await
}

/// New entries for a consumer: waits for the first for a while.
async fn read(
    link: &Link,
    stream: &str,
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
    command.arg("STREAMS").arg(stream).arg(">");
    let read: Vec<(String, Vec<(String, Fields)>)> = link.query(&command).await?;
    Ok(read.into_iter().flat_map(|(_, entries)| entries).collect())
}

/// Overdue entries, given to a consumer, and where to look on next time.
async fn claim(
    link: &Link,
    stream: &str,
    (group, consumer): (&str, &str),
    overdue_ms: u128,
    cursor: &str,
    count: usize,
) -> Result<(String, Vec<Claimed>), RedisError> {
    let mut command = call(&SCRIPTS.claim, [stream].into_iter());
    command.arg(group).arg(consumer).arg(overdue_ms.to_string()).arg(cursor).arg(count);
    link.script(&SCRIPTS.claim, &command).await
}
