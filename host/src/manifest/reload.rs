//! A running host takes a changed manifest.

use std::path::Path;
use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::changes::Changes;
use super::error::Cause;
use super::plan::{Listening, MetricsPlan, Plan};
use super::start::{Known, Serving};
use super::{Manifest, Running, StartError};
use crate::engine::Dispatch;
use crate::{ActorRef, Host, Verdict};

/// What is taken away and may still be used by requests under way.
#[derive(Default)]
pub(super) struct Draining {
    /// Servers and subscriptions that end.
    ends: JoinSet<()>,
    /// What calls under way may still reach.
    wirings: Vec<Weak<dyn Dispatch>>,
    /// Actors that are not on the host any more.
    retired: Vec<ActorRef>,
}

/// How long deliveries under way may take; then they are given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long calls under way may reach an actor that is removed. Those that take longer are told that it is.
pub(super) const LAST: Duration = Duration::from_secs(5);

/// How often it is looked whether they have ended.
const PAUSE: Duration = Duration::from_millis(2);

// === impl Running ===

impl Running {
    /// Makes the running host as another manifest says, and waits for what it takes away to end. To be called within the
    /// runtime that the host was started on.
    ///
    /// All that can fail is done first: providers are connected to, modules verified by the new trust and policies and
    /// compiled, newer revisions asked for their health, ports and topics listened to. With an error, nothing has
    /// changed. Then everything changes without anything to wait for, each actor at once: requests under way end as they
    /// began, and later ones find the new state; none is lost. What is in the manifest as before is not touched, nor what
    /// was loaded, bound, linked or subscribed to by way of [`Running::host`]. At last what was removed ends: servers
    /// answer the requests that they took, deliveries are settled, and removed actors reached by calls that began before.
    ///
    /// A newer revision of a module takes the place of the earlier one as by [`Host::update`]. One that is rolled back
    /// later ([`crate::Probation`]) is not tried again, until its file is another.
    ///
    /// What was made elsewhere for a manifest with an error may stay there: a new file, a group on a server of messages.
    ///
    /// When the future is dropped before it is done, either nothing has changed or everything, and what was removed ends
    /// with [`Running::stop`].
    ///
    /// # Errors
    /// With the place in the manifest that could not be made true, or cannot be changed while the host runs: `cache`,
    /// `tracing`, and `metrics` if the host was started without.
    pub async fn reload(&mut self, manifest: &Manifest, base: &Path) -> Result<Changes, StartError> {
        self.end_trials();
        let plan = Plan::of(self, manifest, base).await?;
        let changes = self.apply(plan, manifest)?;
        if !changes.is_empty() {
            tracing::info!(target: "pillion::reload", %changes, "reloaded");
        }
        self.draining.end(&self.host, PATIENCE).await;
        Ok(changes)
    }

    /// The actor among those of the manifest.
    pub(super) fn known(&self, actor: &ActorRef) -> Option<&Known> {
        self.actors.iter().find(|known| known.actor.is(actor))
    }

    /// Notes which revisions were rolled back since.
    fn end_trials(&mut self) {
        for known in &mut self.actors {
            let Some((trial, before)) = &known.trial else { continue };
            match trial.verdict() {
                None => continue,
                Some(Verdict::RolledBack(_)) => {
                    known.refused = Some(known.hash);
                    known.hash = *before;
                }
                Some(_) => {}
            }
            known.trial = None;
        }
    }

    /// Changes everything at once. Nothing is waited for, so that it is not left half way through.
    fn apply(&mut self, plan: Plan, manifest: &Manifest) -> Result<Changes, StartError> {
        let Plan { settings, policies, providers, actors, changes, removed, servers, metrics, said } = plan;
        // The one thing that may still fail, and with no effect.
        let metrics = match metrics {
            MetricsPlan::AsBefore => self.metrics.take(),
            MetricsPlan::NoMore => None,
            MetricsPlan::Anew(listener) => match &self.counters {
                Some(counters) => Some(self.serve_metrics(counters, listener)?),
                None => None,
            },
        };
        let (numbers, changes): (Vec<_>, Vec<_>) = changes.into_iter().unzip();
        let committed = self.host.commit(&settings, changes, &removed).map_err(|(at, error)| {
            let number = numbers.get(at).copied().unwrap_or_default();
            StartError::new(format!("actors[{number}]"), Cause::from(error))
        })?;

        self.metrics = metrics;
        self.serve(&actors, servers, manifest);
        let mut known = std::mem::take(&mut self.actors);
        for ((actor, hash), manifest) in actors.into_iter().zip(&manifest.actors) {
            let before =
                known.iter().position(|known| known.actor.is(&actor)).map(|at| known.swap_remove(at));
            let mut known = before.unwrap_or_else(|| Known::new(actor, hash));
            known.remember(manifest, &providers);
            let trial = committed.trials.iter().find(|(key, _)| key == known.actor.key());
            if known.hash != hash {
                // A revision that takes the place of one on probation goes back to what that would have.
                let confirmed = known.trial.take().map_or(known.hash, |(_, before)| before);
                known.trial = trial.map(|(_, trial)| (trial.clone(), confirmed));
                known.hash = hash;
            }
            self.actors.push(known);
        }
        (self.policies, self.providers, self.manifest) = (policies, providers, manifest.clone());
        for deliveries in committed.ended {
            self.draining.ends.spawn(deliveries.drain());
        }
        self.draining.wirings.extend(committed.wirings);
        self.draining.retired.extend(removed);
        Ok(said)
    }

    fn serve(
        &mut self,
        actors: &[(ActorRef, [u8; 32])],
        servers: Vec<(usize, Listening)>,
        manifest: &Manifest,
    ) {
        let mut before: Vec<_> = std::mem::take(&mut self.servers).into_iter().map(Some).collect();
        for (number, listening) in servers {
            let (actor, _) = &actors[number];
            let Some(http) = &manifest.actors[number].http else { continue };
            let server = match listening {
                Listening::Already(at) => before[at].take().map(|serving| {
                    if !serving.actor.is(actor) || serving.http != *http {
                        serving.server.change(actor.clone(), http.options());
                    }
                    Ok(serving.server)
                }),
                Listening::Anew(listener) => Some(self.host.serve(actor, listener, http.options())),
            };
            match server {
                Some(Ok(server)) => {
                    self.servers.push(Serving { actor: actor.clone(), http: http.clone(), server });
                }
                // Its address was asked for when it was made.
                Some(Err(error)) => {
                    tracing::error!(target: "pillion::reload", listen = http.listen, %error, "not served");
                }
                None => {}
            }
        }
        for serving in before.into_iter().flatten() {
            self.draining.ends.spawn(serving.server.stop());
        }
    }
}

// === impl Draining ===

impl Draining {
    /// Waits until nothing uses what was taken away, so long at most, and lets go of it. May be dropped and called again.
    pub(super) async fn end(&mut self, host: &Host, patience: Duration) {
        let all = async { while self.ends.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, all).await.is_err() {
            tracing::warn!(target: "pillion::reload", "deliveries under way were given up");
            self.ends.abort_all();
        }
        if !self.retired.is_empty() {
            unused(&self.wirings).await;
        }
        self.wirings.clear();
        // Callers first, so that what they have under way still reaches the others.
        while !self.retired.is_empty() {
            let called = |actor: &ActorRef| {
                let others = self.retired.iter().filter(|other| !other.is(actor));
                others.into_iter().any(|other| other.state().bindings.linked().any(|key| key == actor.key()))
            };
            let first = self.retired.iter().position(|actor| !called(actor)).unwrap_or_default();
            let wired = host.release(&self.retired[first]);
            self.retired.remove(first);
            unused(&[wired]).await;
        }
    }
}

impl std::fmt::Debug for Draining {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ends, wirings, retired } = self;
        write!(f, "{} ends, {} wirings and actors {retired:?}", ends.len(), wirings.len())
    }
}

/// Waits until calls under way have ended on these, so long at most.
async fn unused(wirings: &[Weak<dyn Dispatch>]) {
    let begun = Instant::now();
    while wirings.iter().any(|wiring| wiring.strong_count() > 0) && begun.elapsed() < LAST {
        tokio::time::sleep(PAUSE).await;
    }
}
