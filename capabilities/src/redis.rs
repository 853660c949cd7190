//! The provider over a Redis server.

pub(crate) mod groups;
pub(crate) mod link;
pub(crate) mod script;

use std::time::{Duration, SystemTime};

use ::redis::{Cmd, FromRedisValue, Pipeline, RedisError, Script, Value};
use bytes::Bytes;

use crate::condition::{check_changes, check_delete, check_key, check_keys, check_set, first_version};
use crate::keyvalue::{Change, Entry, Etag, KeyValue, SetOptions, When, or_missing};
use crate::{Answer, Counters, Error, Operation, Result};
pub(crate) use link::Link;
use script::{SCRIPTS, call};

/// Keeps everything in a Redis server of version 7 or newer.
///
/// A plain value is a hash with the fields `data` and `version`, as Dapr's Redis state store has it; a list is a
/// list, a set a set. All calls share one connection and are pipelined on it. What takes several commands runs as
/// a transaction or a script on the server, so that it is atomic there for all its clients. A plain get is one
/// round trip.
///
/// Without the server, calls fail with [`Error::Unavailable`] in bounded time, and work again when it is back.
/// A call that was under way when the connection broke fails too, and may or may not have been done: only the
/// caller knows whether it may be repeated.
pub struct Redis {
    counters: Counters,
    link: Link,
}

/// The first major version with `PEXPIRETIME`.
const LEAST_VERSION: u32 = 7;

/// `data`, `version` and the expiry in milliseconds since 1970, negative if there is none.
type Fields = ((Option<Bytes>, Option<u64>), i64);

// === impl Redis ===

impl Redis {
    /// Connects to the server at a URL such as `redis://127.0.0.1:6379`. To be called within a tokio runtime, which
    /// has to outlive the provider.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidArgument`] if the URL is none, [`Error::Unavailable`] if the server cannot be reached,
    /// [`Error::Failed`] if it refuses, say for a wrong password, or if its version is too old.
    pub async fn connect(url: &str) -> Result<Self> {
        let link = Link::connect(url).await?;
        check_version(&link).await?;
        Ok(Self { counters: Counters::default(), link })
    }

    /// Counts the call, and runs `act` unless the arguments were refused.
    fn run<T, F>(&self, operation: Operation, checked: Result<()>, act: impl FnOnce(Link) -> F) -> Answer<T>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.counters.count(operation);
        Answer::checked(checked, || act(self.link.clone()))
    }

    /// An operation on one key by one command.
    fn command<T>(&self, operation: Operation, key: &str, expected: &'static str, command: Cmd) -> Answer<T>
    where
        T: FromRedisValue + Send + 'static,
    {
        let name = key.to_owned();
        self.run(operation, check_key(key), |link| async move {
            match link.query(&command).await {
                Ok(answer) => Ok(answer),
                Err(error) => Err(explain(&link, &error, &[name], expected).await),
            }
        })
    }

    /// An operation on one key by several commands, atomic.
    fn transaction<T>(
        &self,
        operation: Operation,
        key: &str,
        expected: &'static str,
        commands: Pipeline,
    ) -> Answer<T>
    where
        T: FromRedisValue + Send + 'static,
    {
        let name = key.to_owned();
        self.run(operation, check_key(key), |link| async move {
            match link.pipeline(&commands).await {
                Ok(answer) => Ok(answer),
                Err(error) => Err(explain(&link, &error, &[name], expected).await),
            }
        })
    }

    /// An operation on one key by a script.
    fn script<T>(
        &self,
        operation: Operation,
        checked: Result<()>,
        key: &str,
        expected: &'static str,
        script: &'static Script,
        call: Cmd,
    ) -> Answer<T>
    where
        T: FromRedisValue + Send + 'static,
    {
        let name = key.to_owned();
        self.run(operation, checked, |link| async move {
            match link.script(script, &call).await {
                Ok(answer) => Ok(answer),
                Err(error) => Err(explain(&link, &error, &[name], expected).await),
            }
        })
    }

    /// An operation on several sets by one command.
    fn sets(&self, operation: Operation, keys: &[&str], command: &str) -> Answer<Vec<Bytes>> {
        if keys.is_empty() {
            self.counters.count(operation);
            return Answer::Ready(Ok(Vec::new()));
        }
        let mut command = ::redis::cmd(command);
        command.arg(keys);
        let names: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
        self.run(operation, check_keys(keys), |link| async move {
            match link.query(&command).await {
                Ok(members) => Ok(sorted(members)),
                Err(error) => Err(explain(&link, &error, &names, "set").await),
            }
        })
    }
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redis").field("counters", &self.counters).finish_non_exhaustive()
    }
}

impl KeyValue for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn counters(&self) -> &Counters {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        false
    }

    fn get(&self, key: &str) -> Answer<Option<Entry>> {
        let mut commands = Pipeline::with_capacity(2);
        commands.atomic();
        commands.cmd("HMGET").arg(key).arg("data").arg("version");
        commands.cmd("PEXPIRETIME").arg(key);
        self.transaction::<Fields>(Operation::Get, key, "value", commands).map(entry)
    }

    fn set(&self, key: &str, value: Bytes, options: SetOptions) -> Answer<Etag> {
        let mut call = call(&SCRIPTS.set, [key].into_iter());
        call.arg(condition(options.when)).arg(&*value).arg(milliseconds(options.ttl)).arg(first_version());
        let script = &SCRIPTS.set;
        let version = self.script(Operation::Set, check_set(key, options), key, "value", script, call);
        unless_mismatch(version, key, Etag)
    }

    fn delete(&self, key: &str, when: When) -> Answer<bool> {
        let script = &SCRIPTS.delete;
        let mut call = call(script, [key].into_iter());
        call.arg(condition(when));
        let deleted = self.script(Operation::Delete, check_delete(key, when), key, "value", script, call);
        unless_mismatch(deleted, key, |deleted: u64| deleted > 0)
    }

    fn exists(&self, key: &str) -> Answer<bool> {
        let mut command = ::redis::cmd("EXISTS");
        command.arg(key);
        self.command(Operation::Exists, key, "value", command)
    }

    fn add(&self, key: &str, delta: i64) -> Answer<i64> {
        let script = &SCRIPTS.add;
        let mut call = call(script, [key].into_iter());
        call.arg(delta).arg(first_version());
        self.script(Operation::Add, check_key(key), key, "value", script, call)
    }

    fn list_push(&self, key: &str, value: Bytes) -> Answer<u64> {
        let mut command = ::redis::cmd("RPUSH");
        command.arg(key).arg(&*value);
        self.command(Operation::ListPush, key, "list", command)
    }

    fn list_range(&self, key: &str, start: i64, stop: i64) -> Answer<Vec<Bytes>> {
        let mut command = ::redis::cmd("LRANGE");
        command.arg(key).arg(start).arg(stop);
        self.command(Operation::ListRange, key, "list", command)
    }

    fn list_remove(&self, key: &str, value: Bytes) -> Answer<u64> {
        let mut commands = Pipeline::with_capacity(2);
        commands.atomic().cmd("LREM").arg(key).arg(0).arg(&*value).ignore().cmd("LLEN").arg(key);
        self.transaction(Operation::ListRemove, key, "list", commands).map(|(left,)| left)
    }

    fn list_clear(&self, key: &str) -> Answer<bool> {
        let script = &SCRIPTS.list_clear;
        let call = call(script, [key].into_iter());
        self.script(Operation::ListClear, check_key(key), key, "list", script, call)
    }

    fn set_add(&self, key: &str, member: Bytes) -> Answer<u64> {
        let mut commands = Pipeline::with_capacity(2);
        commands.atomic().cmd("SADD").arg(key).arg(&*member).ignore().cmd("SCARD").arg(key);
        self.transaction(Operation::SetAdd, key, "set", commands).map(|(members,)| members)
    }

    fn set_remove(&self, key: &str, member: Bytes) -> Answer<u64> {
        let mut commands = Pipeline::with_capacity(2);
        commands.atomic().cmd("SREM").arg(key).arg(&*member).ignore().cmd("SCARD").arg(key);
        self.transaction(Operation::SetRemove, key, "set", commands).map(|(left,)| left)
    }

    fn set_members(&self, key: &str) -> Answer<Vec<Bytes>> {
        let mut command = ::redis::cmd("SMEMBERS");
        command.arg(key);
        self.command(Operation::SetMembers, key, "set", command).map(sorted)
    }

    fn set_union(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.sets(Operation::SetUnion, keys, "SUNION")
    }

    fn set_intersection(&self, keys: &[&str]) -> Answer<Vec<Bytes>> {
        self.sets(Operation::SetIntersection, keys, "SINTER")
    }

    fn bulk_get(&self, keys: &[&str]) -> Answer<Vec<Option<Entry>>> {
        self.bulk_get_each(keys).map(or_missing)
    }

    fn bulk_get_each(&self, keys: &[&str]) -> Answer<Vec<Result<Option<Entry>>>> {
        let script = &SCRIPTS.bulk_get;
        let call = call(script, keys.iter().copied());
        let names: Vec<String> = keys.iter().copied().map(str::to_owned).collect();
        self.run(Operation::BulkGet, check_keys(keys), |link| async move {
            let found: Vec<Value> = link.script(script, &call).await.map_err(|error| link.error(&error))?;
            let each = |(key, found)| match found {
                Value::Nil => Ok(Ok(None)),
                Value::BulkString(kind) => {
                    Ok(Err(Error::WrongType { key, expected: "value", found: found_kind(&kind) }))
                }
                fields => match Fields::from_redis_value(fields) {
                    Ok(fields) => Ok(Ok(entry(fields))),
                    Err(_) => Err(link.misunderstood("a value without its version and expiry")),
                },
            };
            names.into_iter().zip(found).map(each).collect()
        })
    }

    fn transact(&self, changes: Vec<Change>) -> Answer<()> {
        let script = &SCRIPTS.transact;
        let mut call = call(script, changes.iter().map(key_of));
        for change in &changes {
            match change {
                Change::Set { value, options, .. } => {
                    call.arg("set").arg(condition(options.when)).arg(&**value).arg(milliseconds(options.ttl))
                }
                Change::Delete { when, .. } => call.arg("delete").arg(condition(*when)).arg("").arg(""),
            };
        }
        call.arg(first_version());
        self.run(Operation::Transact, check_changes(&changes), |link| async move {
            match link.script(script, &call).await {
                Ok(0) => Ok(()),
                Ok(number) => match changes.get(number - 1) {
                    Some(change) => Err(Error::EtagMismatch { key: key_of(change).to_owned() }),
                    None => Err(link.misunderstood("the number of a change that there is none of")),
                },
                Err(error) => Err(link.error(&error)),
            }
        })
    }
}

// === free functions ===

/// Refuses a server that lacks commands which are used here: it would fail call by call.
async fn check_version(link: &Link) -> Result<()> {
    let mut command = ::redis::cmd("INFO");
    command.arg("server");
    let told: String = match link.query(&command).await {
        Ok(told) => told,
        // A user who may not ask for it may well be at home on a server that is new enough.
        Err(error) if error.code() == Some("NOPERM") => return Ok(()),
        Err(error) => return Err(link.error(&error)),
    };
    let version = told.lines().find_map(|line| line.strip_prefix("redis_version:")).map(str::trim);
    let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    match (version, major) {
        (Some(version), Some(major)) if major < LEAST_VERSION => Err(link.failed(format!(
            "its version is {version}, and PEXPIRETIME needs {LEAST_VERSION}.0 or newer; upgrade the server, \
             see https://redis.io/downloads"
        ))),
        // A server of another make need not tell a version.
        _ => Ok(()),
    }
}

fn key_of(change: &Change) -> &str {
    match change {
        Change::Set { key, .. } | Change::Delete { key, .. } => key,
    }
}

/// A condition as the scripts read it.
fn condition(when: When) -> String {
    match when {
        When::Always => "always".to_owned(),
        When::Absent => "absent".to_owned(),
        When::Matches(etag) => etag.to_string(),
    }
}

/// A time to live as the scripts read it, rounded up so that none becomes zero.
fn milliseconds(ttl: Option<Duration>) -> String {
    ttl.map_or_else(String::new, |ttl| ttl.as_micros().div_ceil(1000).to_string())
}

fn entry(((data, version), expiry): Fields) -> Option<Entry> {
    Some(Entry {
        value: data?,
        etag: Etag(version.unwrap_or_default()),
        expires: u64::try_from(expiry).ok().map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms)),
    })
}

fn sorted(mut members: Vec<Bytes>) -> Vec<Bytes> {
    members.sort_unstable();
    members
}

fn unless_mismatch<T, U>(answer: Answer<Option<T>>, key: &str, change: fn(T) -> U) -> Answer<U>
where
    T: Send + 'static,
    U: Send + 'static,
{
    match answer {
        Answer::Ready(result) => Answer::Ready(
            result
                .and_then(|done| done.map(change).ok_or_else(|| Error::EtagMismatch { key: key.to_owned() })),
        ),
        Answer::Pending(future) => {
            let key = key.to_owned();
            Answer::pending(async move { future.await?.map(change).ok_or(Error::EtagMismatch { key }) })
        }
    }
}

/// What a key holds, by the server's name for it.
fn found_kind(kind: &[u8]) -> &'static str {
    match kind {
        b"hash" => "value",
        b"list" => "list",
        b"set" => "set",
        _ => "value of another program",
    }
}

/// The error of an operation on `keys`. For a key of another kind the server does not say of which, so it is asked.
async fn explain(link: &Link, error: &RedisError, keys: &[String], expected: &'static str) -> Error {
    let text = error.to_string();
    let first = || keys.first().cloned().unwrap_or_default();
    if text.contains("WRONGTYPE") {
        let mut kind = (first(), "value of another kind");
        for key in keys {
            let mut command = ::redis::cmd("TYPE");
            command.arg(key);
            let found = match link.query::<String>(&command).await {
                Ok(kind) if kind == "none" => continue,
                Ok(kind) => found_kind(kind.as_bytes()),
                Err(error) => return link.error(&error),
            };
            if found != expected {
                kind = (key.clone(), found);
                break;
            }
        }
        return Error::WrongType { key: kind.0, expected, found: kind.1 };
    }
    if text.contains("not an integer") {
        return Error::NotAnInteger { key: first() };
    }
    if text.contains("would overflow") {
        return Error::Overflow { key: first() };
    }
    link.error(error)
}
