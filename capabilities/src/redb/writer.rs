//! The thread that makes the changes, many with one commit.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use parking_lot::RwLock;
use redb::Database;
use tokio::sync::oneshot;

use super::failed;
use super::snapshot::Snapshot;
use super::tables::Tables;
use crate::{Answer, Error, Result};

/// The calling side of the writer thread. When it is dropped, what was submitted is still committed.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    published: Arc<Published>,
}

/// The last commit, or why there is none to read.
type Published = RwLock<Result<Arc<Snapshot>>>;

/// A change; gives what to tell its caller once the commit succeeded or failed.
type Job = Box<dyn FnOnce(Result<&mut Tables<'_>, &Error>) -> Outcome + Send>;

/// Tells a caller what became of its change, or that the commit was lost for a reason.
type Tell = Box<dyn FnOnce(Option<&Error>)>;

/// What became of a change within its transaction.
struct Outcome {
    /// The storage failed, so that the transaction is lost.
    broken: Option<Error>,
    tell: Tell,
}

/// The thread's side.
struct Thread {
    path: PathBuf,
    database: Option<Database>,
    published: Arc<Published>,
}

/// More changes than this wait for the next commit, so that the first of them need not wait for ever.
const BATCH: usize = 1024;

/// How much of the file is kept in memory.
const CACHE_BYTES: usize = 64 << 20;

// === impl Writer ===

impl Writer {
    pub(super) fn start(path: &Path) -> Result<Self> {
        let (database, snapshot) = open(path)?;
        let published = Arc::new(RwLock::new(Ok(Arc::new(snapshot))));
        let (jobs, submitted) = channel();
        let thread =
            Thread { path: path.to_owned(), database: Some(database), published: Arc::clone(&published) };
        let thread = std::thread::Builder::new()
            .name("redb-writer".to_owned())
            .spawn(move || thread.run(&submitted))
            .map_err(|error| unusable(path, &format!("its writer thread cannot be started: {error}")))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), published })
    }

    pub(super) fn snapshot(&self) -> Result<Arc<Snapshot>> {
        self.published.read().clone()
    }

    pub(super) fn submit<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Tables<'_>) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |tables| {
            let result = tables.map_err(Clone::clone).and_then(change);
            let broken = match &result {
                Err(error @ Error::Failed { .. }) => Some(error.clone()),
                _ => None,
            };
            // A caller that no longer waits is no failure.
            let tell = Box::new(move |lost: Option<&Error>| {
                let _ = answer.send(lost.map_or(result, |error| Err(error.clone())));
            });
            Outcome { broken, tell }
        });
        let ended = || Error::Failed {
            provider: "redb".to_owned(),
            reason: "its writer thread has ended; open the store again".to_owned(),
        };
        match self.jobs.as_ref().map(|jobs| jobs.send(job)) {
            Some(Ok(())) => Answer::pending(async move { answered.await.unwrap_or_else(|_| Err(ended())) }),
            _ => Answer::Ready(Err(ended())),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Without senders the thread ends; waiting for it, the file is closed when this is gone.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

// === impl Thread ===

impl Thread {
    fn run(mut self, submitted: &Receiver<Job>) {
        while let Ok(first) = submitted.recv() {
            let jobs: Vec<Job> = std::iter::once(first).chain(submitted.try_iter().take(BATCH - 1)).collect();
            let mut jobs = jobs.into_iter();
            let mut tells = Vec::with_capacity(jobs.len());
            let lost = self.commit(&mut jobs, &mut tells).err();
            if let Some(error) = &lost {
                self.reopen(error);
                tells.extend(jobs.map(|job| job(Err(error)).tell));
            }
            for tell in tells {
                tell(lost.as_ref());
            }
        }
    }

    /// Makes the changes and commits them. The new snapshot is published before the callers are told, so that they
    /// read their own writes.
    fn commit(&mut self, jobs: &mut std::vec::IntoIter<Job>, tells: &mut Vec<Tell>) -> Result<()> {
        if self.database.is_none() {
            self.open()?;
        }
        let Some(database) = &self.database else {
            return Err(unusable(&self.path, "it is not open"));
        };
        let count = jobs.len();
        let transaction = database.begin_write().map_err(failed)?;
        let mut tables = Tables::open(&transaction)?;
        for job in jobs {
            let outcome = job(Ok(&mut tables));
            tells.push(outcome.tell);
            if let Some(error) = outcome.broken {
                return Err(error);
            }
        }
        tables.sweep(count)?;
        drop(tables);
        transaction.commit().map_err(failed)?;
        let snapshot = Snapshot::take(database)?;
        *self.published.write() = Ok(Arc::new(snapshot));
        Ok(())
    }

    /// After a failed write, redb asks for the file to be opened anew. That is tried at once for the readers' sake,
    /// and, if it fails, again with the next change.
    fn reopen(&mut self, cause: &Error) {
        tracing::warn!(path = %self.path.display(), %cause, "a commit failed; the file is opened anew");
        let mut published = self.published.write();
        // The file is closed when its last reader is gone, and no new one comes while this lock is held.
        if let Ok(last) = std::mem::replace(&mut *published, Err(cause.clone())) {
            while Arc::strong_count(&last) > 1 {
                std::thread::yield_now();
            }
        }
        self.database = None;
        drop(published);
        if let Err(error) = self.open() {
            *self.published.write() = Err(error);
        }
    }

    fn open(&mut self) -> Result<()> {
        let (database, snapshot) = open(&self.path)?;
        self.database = Some(database);
        *self.published.write() = Ok(Arc::new(snapshot));
        Ok(())
    }
}

// === free functions ===

fn open(path: &Path) -> Result<(Database, Snapshot)> {
    let explain = |error: redb::Error| unusable(path, &error.to_string());
    let database = Database::builder()
        .set_cache_size(CACHE_BYTES)
        .create(path)
        .map_err(|error| explain(error.into()))?;
    let transaction = database.begin_write().map_err(|error| explain(error.into()))?;
    Tables::open(&transaction)?;
    transaction.commit().map_err(|error| explain(error.into()))?;
    let snapshot = Snapshot::take(&database)?;
    Ok((database, snapshot))
}

fn unusable(path: &Path, reason: &str) -> Error {
    Error::Failed {
        provider: "redb".to_owned(),
        reason: format!("{} cannot be used: {reason}", path.display()),
    }
}
