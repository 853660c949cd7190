//! A new revision has to prove itself once it runs, or the one before it comes back.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;

use super::wire::Replacement;
use super::{HealthRequest, Inner};
use crate::actor::{ActorRef, WeakActor};
use crate::dispatch::Bindings;
use crate::engine::{CallFailure, Program, Watch};
use crate::identity::Claims;
use crate::workers;

/// How a new revision has to prove itself once it runs. It is confirmed when as many calls have ended and as many health
/// requests been answered as are asked for; with neither, it is not on probation at all.
///
/// It goes back at the first health request that fails or is not answered in time, and when more calls than allowed have
/// failed by the module's own doing: by a trap, its deadline, its patience, its fuel, without a response, or because no instance
/// could be made. Errors that the module answers with are answers, and that all instances are in use or middleware let
/// nobody in says nothing about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Probation {
    /// After so many calls it is confirmed; 0 does not wait for any.
    pub calls: u32,
    /// So many of its calls may fail.
    pub failures: u32,
    /// After so many answered health requests it is confirmed; 0 asks for none.
    pub asks: u32,
    /// The time between two health requests; the first comes at once.
    pub pause: Duration,
}

/// What became of a revision on probation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It proved itself. The earlier revision is gone.
    Confirmed,
    /// It did not, for this reason. The earlier revision runs again.
    RolledBack(String),
    /// Its actor was updated again, or removed, before that.
    Superseded,
}

/// A revision's time on probation, as whoever made the update sees it. Dropping it changes nothing.
#[derive(Clone, Debug)]
pub struct Trial {
    verdict: watch::Receiver<Option<Verdict>>,
}

/// How a revision does on probation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProbationInfo {
    /// The revision that would come back.
    pub previous: Option<i32>,
    /// How many calls have ended.
    pub calls: u32,
    /// How many of them failed.
    pub failures: u32,
    /// How many health requests were answered.
    pub asks: u32,
}

/// A revision that did not prove itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RolledBackInfo {
    /// The revision.
    pub revision: Option<i32>,
    /// Why it was not kept.
    pub reason: String,
}

/// A revision on probation, in the state of its actor.
pub(crate) struct OnProbation {
    pub(super) watching: Arc<Watching>,
    /// What to go back to; there until it is taken.
    pub(super) previous: Option<Previous>,
}

/// What an actor was before its update.
pub(super) struct Previous {
    pub(super) claims: Arc<Claims>,
    pub(super) program: Program,
    /// What it was bound and linked to before the update, and after it.
    pub(super) before: Bindings,
    pub(super) after: Bindings,
}

/// Watches how the calls of a revision end. Whoever takes it out of its actor's state gives the verdict.
pub(super) struct Watching {
    host: Weak<Inner>,
    actor: WeakActor,
    probation: Probation,
    calls: AtomicU32,
    failures: AtomicU32,
    asks: AtomicU32,
    verdict: watch::Sender<Option<Verdict>>,
}

// === impl Probation ===

impl Default for Probation {
    /// A hundred calls, of which none may fail.
    fn default() -> Self {
        Self { calls: 100, failures: 0, asks: 0, pause: Duration::from_secs(1) }
    }
}

impl Probation {
    pub(super) fn is_none(&self) -> bool {
        self.calls == 0 && self.asks == 0
    }
}

// === impl Trial ===

impl Trial {
    pub(super) fn ended(verdict: Verdict) -> Self {
        Self { verdict: watch::channel(Some(verdict)).1 }
    }

    /// The verdict, if there is one yet.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict.borrow().clone()
    }

    /// Waits for the verdict. Without calls to judge by, that may be for ever.
    pub async fn wait(mut self) -> Verdict {
        let verdict = self.verdict.wait_for(Option::is_some).await.ok().and_then(|it| it.clone());
        // Without a verdict it ended with its host.
        verdict.unwrap_or(Verdict::Superseded)
    }
}

// === impl OnProbation ===

impl OnProbation {
    pub(crate) fn info(&self) -> ProbationInfo {
        let count = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        let Watching { calls, failures, asks, .. } = &*self.watching;
        ProbationInfo {
            previous: self.previous.as_ref().and_then(|previous| previous.claims.wascap.rev),
            calls: count(calls),
            failures: count(failures),
            asks: count(asks),
        }
    }

    /// The call alias that would come back.
    pub(crate) fn alias(&self) -> Option<&str> {
        self.previous.as_ref()?.claims.wascap.call_alias.as_deref()
    }

    pub(super) fn watch(&self) -> Arc<dyn Watch> {
        Arc::clone(&self.watching) as _
    }
}

impl Drop for OnProbation {
    fn drop(&mut self) {
        self.watching.verdict.send_if_modified(|verdict| {
            let open = verdict.is_none();
            verdict.get_or_insert(Verdict::Superseded);
            open
        });
    }
}

// === impl Watching ===

impl Watching {
    /// Begins to watch.
    pub(super) fn begin(host: &Arc<Inner>, actor: &ActorRef, probation: Probation) -> (Arc<Self>, Trial) {
        let (sender, verdict) = watch::channel(None);
        let watching = Arc::new(Self {
            host: Arc::downgrade(host),
            actor: actor.downgrade(),
            probation,
            calls: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            asks: AtomicU32::new(0),
            verdict: sender,
        });
        (watching, Trial { verdict })
    }

    /// Begins to ask the revision, which is published now, on the tokio runtime that this is called within.
    pub(super) fn ask(self: &Arc<Self>, health: HealthRequest) {
        if self.probation.asks > 0 {
            tokio::spawn(ask_again(Arc::clone(self), health));
        }
    }

    fn confirm_if_done(&self) {
        let Probation { calls, asks, .. } = self.probation;
        if self.calls.load(Ordering::Acquire) < calls || self.asks.load(Ordering::Acquire) < asks {
            return;
        }
        let (Some(host), Some(actor)) = (self.host.upgrade(), self.actor.upgrade()) else { return };
        let _registry = host.registry();
        let Some(ended) = self.take(&actor) else { return };
        actor.guest().unwatch();
        self.verdict.send_replace(Some(Verdict::Confirmed));
        let revision = actor.claims().wascap.rev;
        let calls = self.calls.load(Ordering::Relaxed);
        tracing::info!(target: "pillion::update", actor = actor.key(), revision, calls, "confirmed");
        drop(ended);
    }

    fn roll_back(&self, reason: String) {
        let (Some(host), Some(actor)) = (self.host.upgrade(), self.actor.upgrade()) else { return };
        let registry = host.registry();
        if registry.check(&actor).is_err() {
            return;
        }
        let Some(mut ended) = self.take(&actor) else { return };
        let Some(Previous { claims, program, before, after }) = ended.previous.take() else { return };
        let revision = {
            let mut state = actor.state();
            let bindings = restored(&state.bindings, &claims, &before, &after, |key| {
                registry.actors().any(|other| other.key() == key)
            });
            let revision = state.claims.wascap.rev;
            state.bindings = bindings;
            state.claims = Arc::clone(&claims);
            state.rolled_back = Some(RolledBackInfo { revision, reason: reason.clone() });
            state.bindings.set_claims(&state.claims);
            revision
        };
        // Its limits stay, unless it was compiled for others.
        let program = program.clone().limited(actor.guest().limits()).unwrap_or(program);
        host.replace(&registry, &actor, Replacement { program, watch: None });
        drop(registry);
        let (actor, back_to) = (actor.key(), claims.wascap.rev);
        tracing::warn!(target: "pillion::update", actor, revision, back_to, %reason, "rolled back");
        self.verdict.send_replace(Some(Verdict::RolledBack(reason)));
    }

    /// Ends the time on probation, if it is still this one. To be called with the registry locked.
    fn take(&self, actor: &ActorRef) -> Option<OnProbation> {
        let mut state = actor.state();
        state.probation.take_if(|it| std::ptr::eq(&*it.watching, self))
    }
}

impl Watch for Watching {
    fn ended(&self, outcome: Result<(), &CallFailure>) {
        match outcome {
            Err(failure) if is_the_modules(failure) => {
                let failed = self.failures.fetch_add(1, Ordering::AcqRel) + 1;
                let calls = self.calls.fetch_add(1, Ordering::AcqRel) + 1;
                let allowed = self.probation.failures;
                if failed > allowed {
                    self.roll_back(format!("{failed} of {calls} calls failed, the last because {failure}"));
                    return;
                }
            }
            Err(failure) if was_not_made(failure) => return,
            _ => _ = self.calls.fetch_add(1, Ordering::AcqRel),
        }
        self.confirm_if_done();
    }
}

impl fmt::Debug for OnProbation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "on probation: {:?}", self.info())
    }
}

// === free functions ===

/// Whether a failure is the module's own doing.
fn is_the_modules(failure: &CallFailure) -> bool {
    matches!(
        failure,
        CallFailure::Trap(_)
            | CallFailure::Deadline(_)
            | CallFailure::Patience(_)
            | CallFailure::Fuel(_)
            | CallFailure::NoResponse
            | CallFailure::Instantiate(_)
    )
}

/// Whether a call never came to be one of the guest's.
fn was_not_made(failure: &CallFailure) -> bool {
    let refused = matches!(
        failure,
        CallFailure::Halted(_) | CallFailure::Waits | CallFailure::Expired(_) | CallFailure::Removed
    );
    refused || failure.is_busy()
}

/// What an actor is bound and linked to once it is back: what it was before its update, and what was changed since.
fn restored(
    now: &Bindings,
    claims: &Claims,
    before: &Bindings,
    after: &Bindings,
    is_here: impl Fn(&str) -> bool,
) -> Bindings {
    let mut restored = now.regranted(claims.wascap.caps.clone());
    for (binding, provider) in after.bound() {
        let contract = provider.contract();
        let was = before.same(after, binding, contract);
        let is = restored.same(after, binding, contract);
        if is && !was {
            // It is there, as was just seen.
            let _ = restored.unbind(binding, contract);
        }
    }
    for (binding, provider) in before.bound() {
        let contract = provider.contract();
        let lost = !after.same(before, binding, contract);
        if lost && restored.provider(binding, contract).is_none() {
            // The claims granted it.
            restored.keep(before, binding, contract);
        }
    }
    let linked = |bindings: &Bindings, key: &str| bindings.links().any(|link| link.key() == key);
    for link in after.links().filter(|link| !linked(before, link.key())) {
        restored.unlink(link.key());
    }
    for link in before.links().filter(|link| !linked(after, link.key()) && is_here(link.key())) {
        // The claims granted it, unless its alias is another now.
        let _ = restored.link(link);
    }
    restored
}

/// Asks a revision again and again, until it is confirmed or fails.
async fn ask_again(watching: Arc<Watching>, health: HealthRequest) {
    let HealthRequest { operation, payload, patience } = health;
    let Probation { asks, pause, .. } = watching.probation;
    // Timers cannot tell less.
    let pause = pause.max(Duration::from_millis(1));
    loop {
        if watching.verdict.borrow().is_some() {
            return;
        }
        let Some(actor) = watching.actor.upgrade() else { return };
        let call = workers::call(actor.guest(), &operation, &payload);
        match tokio::time::timeout(patience, call).await {
            Ok(Ok(_)) => {
                let answered = watching.asks.fetch_add(1, Ordering::AcqRel) + 1;
                if answered >= asks {
                    watching.confirm_if_done();
                    return;
                }
            }
            // That says nothing about it.
            Ok(Err(failure)) if was_not_made(&failure) => {}
            Ok(Err(failure)) => return watching.roll_back(format!("{operation} failed: {failure}")),
            Err(_) => {
                return watching.roll_back(format!("{operation} was not answered within {patience:?}"));
            }
        }
        drop(actor);
        tokio::time::sleep(pause).await;
    }
}
