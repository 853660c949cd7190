//! The provider over a Redis server.

use std::sync::LazyLock;
use std::time::Duration;

use redis::{Script, Value};

use super::{Lock, Operation, Unlocked, check_lock, check_unlock};
use crate::redis::Link;
use crate::redis::script::call;
use crate::{Answer, Counters, Result};

/// Keeps locks in a Redis server: each is a string with its owner, which expires, as Dapr's Redis lock store has it.
///
/// It is the lock of one server: one that fails over to a replica may give a lock to two.
#[derive(Debug)]
pub struct Redis {
    counters: Counters<Operation>,
    link: Link,
}

/// Compares and removes in one step: between two, the lock might become somebody else's.
static UNLOCK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("unlock.lua")));

// === impl Redis ===

impl Redis {
    /// Connects to the server at a URL such as `redis://127.0.0.1:6379`. To be called within a tokio runtime, which has
    /// to outlive the provider.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`](crate::Error) if the URL is none, [`Error::Unavailable`](crate::Error) if the server
    /// cannot be reached, [`Error::Failed`](crate::Error) if it refuses, say for a wrong password.
    pub async fn connect(url: &str) -> Result<Self> {
        Ok(Self { counters: Counters::default(), link: Link::connect(url).await? })
    }
}

impl Lock for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        false
    }

    fn try_lock(&self, resource: &str, owner: &str, time: Duration) -> Answer<bool> {
        self.counters.count(Operation::TryLock);
        let mut command = redis::cmd("SET");
        // No longer than a hundred years.
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        command.arg(resource).arg(owner).arg("NX").arg("PX").arg(milliseconds);
        let link = self.link.clone();
        Answer::checked(check_lock(resource, owner, time), || async move {
            match link.query(&command).await.map_err(|error| link.error(&error))? {
                Value::Nil => Ok(false),
                Value::Okay => Ok(true),
                other => Err(link.misunderstood(&format!("{other:?} to SET"))),
            }
        })
    }

    fn unlock(&self, resource: &str, owner: &str) -> Answer<Unlocked> {
        self.counters.count(Operation::Unlock);
        let mut command = call(&UNLOCK, std::iter::once(resource));
        command.arg(owner);
        let link = self.link.clone();
        Answer::checked(check_unlock(resource, owner), || async move {
            match link.script::<i64>(&UNLOCK, &command).await.map_err(|error| link.error(&error))? {
                -1 => Ok(Unlocked::NotLocked),
                -2 => Ok(Unlocked::HeldByAnother),
                _ => Ok(Unlocked::Done),
            }
        })
    }
}
