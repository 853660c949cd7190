//! What a reload would change, with all of it that can fail or takes its time done beforehand.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use super::changes::Changes;
use super::error::{At as _, Cause};
use super::policies::Policies;
use super::providers::{provider, providers};
use super::start::{Known, Purpose, Wished, listen, module, trust};
use super::{ActorManifest, Manifest, ProviderManifest, Running, StartError};
use crate::admission::Admission;
use crate::dispatch::{BindError, Bindings, Contract, Link, Provider, or_default};
use crate::engine::Program;
use crate::host::{Change, Edit, Feed, Misfit, Place, Settings, Subscribed};
use crate::identity::Claims;
use crate::{ActorRef, HostError, Limits, http_server};

/// What a reload would change. Dropping it ends what was made for it.
pub(super) struct Plan {
    pub(super) settings: Settings,
    pub(super) policies: Policies,
    pub(super) providers: BTreeMap<String, Provider>,
    /// The actors in the order of the manifest, with the SHA-256 of their modules.
    pub(super) actors: Vec<(ActorRef, [u8; 32])>,
    /// With their numbers in the manifest.
    pub(super) changes: Vec<(usize, Change)>,
    pub(super) removed: Vec<ActorRef>,
    /// By the numbers of their actors in the manifest.
    pub(super) servers: Vec<(usize, Listening)>,
    pub(super) metrics: MetricsPlan,
    pub(super) said: Changes,
}

/// Where a server listens.
pub(super) enum Listening {
    /// Where the one of that number does.
    Already(usize),
    Anew(TcpListener),
}

pub(super) enum MetricsPlan {
    AsBefore,
    NoMore,
    Anew(TcpListener),
}

/// An actor as it is to be.
struct Wanted<'a> {
    manifest: &'a ActorManifest,
    actor: ActorRef,
    added: bool,
    hash: [u8; 32],
    /// Its claims afterwards.
    claims: Arc<Claims>,
    /// Whether they are of a new revision.
    revised: bool,
    /// Its program, if that is another or has other limits.
    program: Option<Program>,
    limits: Limits,
    edit: Edit,
    /// What it may reach afterwards.
    bindings: Bindings,
    ends: Vec<Place>,
    /// The numbers, among all that it is subscribed to, of the subscriptions that begin.
    begins: Vec<usize>,
}

// === impl Plan ===

impl Plan {
    pub(super) async fn of(running: &Running, manifest: &Manifest, base: &Path) -> Result<Self, StartError> {
        let mut said = Changes::default();
        refuse(running, manifest)?;
        let (settings, policies) = settings(running, manifest, base, &mut said)?;
        let known = |wanted: &ProviderManifest| known(running, wanted);
        let (providers, _) = providers(manifest, base, Purpose::Run, known).await?;
        let providers: BTreeMap<_, _> =
            providers.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
        compare(&running.providers, &providers, &mut said);

        let mut wanted: Vec<Wanted<'_>> = Vec::new();
        for (number, actor) in manifest.actors.iter().enumerate() {
            let place = || format!("actors[{number}].module");
            let next = admit(running, &settings.admission, actor, base).await.at(place)?;
            if wanted.iter().any(|other| other.actor.key() == next.actor.key()) {
                return Err(HostError::Loaded(next.actor.key().to_owned())).at(place);
            }
            wanted.push(next);
        }
        let removed: Vec<_> = running
            .actors
            .iter()
            .filter(|known| !wanted.iter().any(|it| it.actor.is(&known.actor)))
            .map(|known| known.actor.clone())
            .collect();
        let ways = ways(running, &wanted, &removed);
        for (number, actor) in wanted.iter_mut().enumerate() {
            let known = running.known(&actor.actor);
            actor.edit = edit(actor, known, &providers, &ways, number)?;
            actor.bindings = actor.edited(number)?;
            actor.compare_subscriptions(known, number)?;
            if actor.manifest.http.is_some() && !http_server::granted(&actor.claims) {
                let granted = actor.claims.wascap.caps.clone();
                return Err(HostError::HttpNotGranted { granted }).at(|| format!("actors[{number}].http"));
            }
        }
        for (number, actor) in wanted.iter().enumerate() {
            let revised = actor.program.as_ref().filter(|_| actor.revised);
            if let (Some(program), Some(health)) = (revised, &actor.manifest.health) {
                let claims = &actor.claims;
                let (request, bindings) = (health.request(), actor.bindings.clone());
                let (revision, check) = ((claims, program), request.check());
                let asked = running.host.probe(&actor.actor, revision, bindings, &settings, check);
                asked.await.at(|| format!("actors[{number}].health"))?;
            }
        }
        let metrics = metrics(running, manifest).await?;
        said.note(!matches!(metrics, MetricsPlan::AsBefore), "metrics");
        let servers = servers(running, &wanted).await?;

        // Last, as the messages of a subscription that is not wanted in the end may be others' too.
        let mut plan = Self {
            settings,
            policies,
            providers,
            actors: Vec::new(),
            changes: Vec::new(),
            removed,
            servers,
            metrics,
            said,
        };
        for (number, actor) in wanted.into_iter().enumerate() {
            plan.add(running, number, actor).await?;
        }
        for actor in &plan.removed {
            plan.said.add(format!("-actor {}", actor.key()));
        }
        Ok(plan)
    }

    /// Takes an actor in, with the changes that there are.
    async fn add(&mut self, running: &Running, number: usize, wanted: Wanted<'_>) -> Result<(), StartError> {
        let mut begins = Vec::new();
        for (at, wished) in wanted.manifest.wishes().enumerate() {
            if wanted.begins.contains(&at) {
                let Wished { place, binding, topic, wish } = wished;
                let place = || format!("actors[{number}].{place}");
                let feed = Feed::of(&wanted.bindings, binding, wish.contract());
                let feed = feed.map_err(HostError::from).at(place)?;
                let begun = Subscribed::to(wanted.actor.key(), &feed, topic, wish, wanted.limits);
                begins.push(begun.await.at(place)?);
            }
        }
        let served = served(running, &self.servers, number, &wanted);
        self.actors.push((wanted.actor.clone(), wanted.hash));
        let Wanted { manifest, actor, added, claims, revised, program, limits, edit, bindings, ends, .. } =
            wanted;
        let limited = !added && actor.guest().limits() != limits;
        let mut parts = Vec::new();
        if revised {
            let revision = |claims: &Claims| claims.wascap.rev.unwrap_or(0);
            parts.push(format!("revision {} → {}", revision(&actor.claims()), revision(&claims)));
        }
        let Edit { unbind, unlink, bind, link } = &edit;
        for (changed, what) in [
            (limited, "limits"),
            (!unbind.is_empty() || !bind.is_empty(), "bindings"),
            (!unlink.is_empty() || !link.is_empty(), "calls"),
            (!ends.is_empty() || !begins.is_empty(), "subscriptions"),
            (served, "http"),
        ] {
            if changed {
                parts.push(what.to_owned());
            }
        }
        if added {
            self.said.add(format!("+actor {}", actor.key()));
        } else if !parts.is_empty() {
            self.said.add(format!("~actor {} ({})", actor.key(), parts.join(", ")));
        }
        let changes = added || revised || limited || !edit.is_empty();
        if changes || !ends.is_empty() || !begins.is_empty() {
            let health = manifest.health.as_ref();
            let probation = health
                .and_then(|health| Some((health.probation?.into(), health.request())))
                .filter(|_| revised);
            let revision = revised.then_some(claims);
            let change = Change { actor, added, revision, program, edit, bindings, ends, begins, probation };
            self.changes.push((number, change));
        }
        Ok(())
    }
}

// === impl Wanted ===

impl Wanted<'_> {
    /// What it may reach afterwards: all that the manifest says.
    fn edited(&self, number: usize) -> Result<Bindings, StartError> {
        let caps = &self.claims.wascap.caps;
        let edited = self.edit.apply(&self.actor.state().bindings, caps).map_err(|misfit| match misfit {
            Misfit::Binding(at, error) => (format!("actors[{number}].bindings[{at}]"), error),
            Misfit::Link(at, error) => (format!("actors[{number}].calls[{at}]"), error),
        });
        edited.or_else(|(place, error)| Err(HostError::from(error)).at(|| place))
    }

    /// Finds out which subscriptions end and which begin. Those that stay have the same options, and the same provider.
    fn compare_subscriptions(&mut self, known: Option<&Known>, number: usize) -> Result<(), StartError> {
        let state = self.actor.state();
        let mut wanted: HashSet<Place> = HashSet::new();
        for (at, wished) in self.manifest.wishes().enumerate() {
            let Wished { place, binding, topic, wish } = wished;
            let place = || format!("actors[{number}].{place}");
            let contract = wish.contract();
            let feed = Feed::of(&self.bindings, binding, contract).map_err(HostError::from).at(place)?;
            let this: Place = (contract, feed.binding.clone(), topic.into());
            if !wanted.insert(this.clone()) {
                let (actor, topic) = (self.actor.key().to_owned(), topic.to_owned());
                return Err(HostError::Subscribed { actor, topic }).at(place);
            }
            let Some(present) = state.deliveries.iter().find(|it| it.is(contract, &feed.binding, topic))
            else {
                self.begins.push(at);
                continue;
            };
            let before = Feed::of(&state.bindings, &feed.binding, contract);
            if !before.is_ok_and(|before| before.is(&feed)) || present.wish != wish {
                self.ends.push(this);
                self.begins.push(at);
            }
        }
        for deliveries in &state.deliveries {
            let (binding, topic) = (deliveries.binding.clone(), deliveries.topic.clone());
            let place: Place = (deliveries.wish.contract(), binding, topic);
            let ours = known.is_some_and(|known| known.subscribed.contains(&place));
            if ours && !wanted.contains(&place) {
                self.ends.push(place);
            }
        }
        Ok(())
    }
}

// === free functions ===

/// Refuses what cannot be changed while the host runs. Every key is either dealt with elsewhere or looked at here.
fn refuse(running: &Running, manifest: &Manifest) -> Result<(), StartError> {
    let Manifest {
        labels: _,
        trusted_issuers: _,
        trusted_operators: _,
        tokens: _,
        policies: _,
        policy_keys: _,
        compiler,
        cache,
        anti_forgery: _,
        metrics,
        tracing,
        providers: _,
        actors: _,
    } = manifest;
    let restart = |what: &str| {
        Err(Cause::Wrong(format!("{what} while the host runs; end the host and start it with this manifest")))
    };
    if *compiler != running.manifest.compiler {
        return restart("the compiler cannot be changed").at(|| "compiler".to_owned());
    }
    if *cache != running.manifest.cache {
        return restart("the folder of compiled modules cannot be changed").at(|| "cache".to_owned());
    }
    if *tracing != running.manifest.tracing {
        return restart("where spans are exported to cannot be changed").at(|| "tracing".to_owned());
    }
    if metrics.is_some() && running.counters.is_none() {
        return restart("counting, which it was started without, cannot be begun")
            .at(|| "metrics".to_owned());
    }
    Ok(())
}

fn settings(
    running: &Running,
    manifest: &Manifest,
    base: &Path,
    said: &mut Changes,
) -> Result<(Settings, Policies), StartError> {
    let present = running.host.settings();
    let trust = trust(manifest, base)?;
    let policies = Policies::of(manifest, base)?;
    let (same_trust, same_policies) = (trust == present.admission.trust, policies.is_like(&running.policies));
    let policies = if same_policies { running.policies.clone() } else { policies };
    let admission = if same_trust && same_policies {
        Arc::clone(&present.admission)
    } else {
        let engine = present.admission.engine.clone();
        Arc::new(Admission { engine, trust, authorizer: policies.authorizer() })
    };
    let anti_forgery = manifest.anti_forgery.into();
    said.note(manifest.labels != present.labels, "labels");
    said.note(!same_trust, "trust");
    said.note(!same_policies, "policies");
    said.note(anti_forgery != present.anti_forgery, "antiForgery");
    Ok((Settings { admission, anti_forgery, labels: manifest.labels.clone() }, policies))
}

/// A provider that is there already and keeps what it has. One that has a file to itself may have another name now.
fn known(running: &Running, wanted: &ProviderManifest) -> Option<Provider> {
    let named = |it: &&ProviderManifest| **it == *wanted;
    let renamed = |it: &&ProviderManifest| {
        wanted.path.is_some() && ProviderManifest { name: wanted.name.clone(), ..(*it).clone() } == *wanted
    };
    let providers = &running.manifest.providers;
    let known = providers.iter().find(named).or_else(|| providers.iter().find(renamed))?;
    running.providers.get(&known.name).cloned()
}

fn compare(before: &BTreeMap<String, Provider>, after: &BTreeMap<String, Provider>, said: &mut Changes) {
    for (name, provider) in after {
        match before.get(name) {
            None => said.add(format!("+provider {name}")),
            Some(before) if !before.is(provider) => said.add(format!("~provider {name}")),
            Some(_) => {}
        }
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        said.add(format!("-provider {name}"));
    }
}

/// Reads an actor's module, and checks it as far as it is another than before, or those who have a say are.
async fn admit<'a>(
    running: &Running,
    admission: &Arc<Admission>,
    manifest: &'a ActorManifest,
    base: &Path,
) -> Result<Wanted<'a>, Cause> {
    let wasm = module(base, manifest).await?;
    let hash: [u8; 32] = Sha256::digest(&wasm).into();
    let limits = manifest.limits.over(Limits::default());
    let wanted = |actor: ActorRef, claims, hash, program: Option<Program>| {
        let (edit, bindings) = (Edit::default(), Bindings::default());
        let (ends, begins, added, revised) = (Vec::new(), Vec::new(), false, false);
        Wanted {
            manifest,
            actor,
            added,
            hash,
            claims,
            revised,
            program,
            limits,
            edit,
            bindings,
            ends,
            begins,
        }
    };
    let mut here = running.actors.iter().filter(|known| running.host.has(&known.actor));
    if let Some(known) = here.clone().find(|known| known.hash == hash || known.refused == Some(hash)) {
        let claims = known.actor.claims();
        if !Arc::ptr_eq(admission, &running.host.settings().admission) {
            admission.readmit(&claims)?;
        }
        if known.hash != hash {
            let (actor, revision) = (known.actor.key(), claims.wascap.rev);
            let remedy = "give it a newer revision";
            tracing::warn!(
                target: "pillion::reload", actor, revision, remedy,
                "an actor stays as it is: the revision in its file was rolled back"
            );
        }
        let program = limited(admission, known, (&wasm, hash), limits).await?;
        return Ok(wanted(known.actor.clone(), claims, known.hash, program));
    }
    let (claims, program) = admission.admit_aside(&wasm, limits).await?;
    match here.find(|known| known.actor.key() == claims.sub) {
        Some(known) => {
            crate::host::check_update(&known.actor, &claims)?;
            let next = wanted(known.actor.clone(), Arc::new(claims), hash, Some(program));
            Ok(Wanted { revised: true, ..next })
        }
        None if running.host.actor(&claims.sub).is_some() => Err(HostError::Loaded(claims.sub).into()),
        None => {
            let actor = running.host.assemble(claims, program);
            let claims = actor.claims();
            Ok(Wanted { added: true, ..wanted(actor, claims, hash, None) })
        }
    }
}

/// The program of an actor that stays at its revision, if its limits change.
async fn limited(
    admission: &Arc<Admission>,
    known: &Known,
    (wasm, hash): (&[u8], [u8; 32]),
    limits: Limits,
) -> Result<Option<Program>, Cause> {
    let (program, _) = known.actor.guest().wired();
    if program.limits() == limits {
        return Ok(None);
    }
    if let Some(program) = program.limited(limits) {
        return Ok(Some(program));
    }
    if known.hash != hash {
        let text = "fuel cannot be counted, or no longer, while its revision is not the one in its file, which was \
                    rolled back; give it a newer revision";
        return Err(Cause::Wrong(text.to_owned()));
    }
    let (_, program) = admission.admit_aside(wasm, limits).await?;
    Ok(Some(program))
}

/// The ways to all actors that will be there, by public key and by alias.
fn ways(running: &Running, wanted: &[Wanted<'_>], removed: &[ActorRef]) -> HashMap<String, Link> {
    let mut ways = HashMap::new();
    let mut add = |actor: &ActorRef, claims: &Claims| {
        let link = Link::new(actor.key(), claims.wascap.call_alias.as_deref(), actor.guest());
        for name in link.names() {
            ways.insert(name.to_owned(), link.clone());
        }
    };
    for actor in running.host.actors() {
        let ours = wanted.iter().map(|it| &it.actor).chain(removed).any(|it| it.is(&actor));
        if !ours {
            add(&actor, &actor.claims());
        }
    }
    for actor in wanted {
        add(&actor.actor, &actor.claims);
    }
    ways
}

/// What changes of what an actor may reach. What somebody else bound and linked stays.
fn edit(
    wanted: &Wanted<'_>,
    known: Option<&Known>,
    providers: &BTreeMap<String, Provider>,
    ways: &HashMap<String, Link>,
    number: usize,
) -> Result<Edit, StartError> {
    let (mut edit, state) = (Edit::default(), wanted.actor.state());
    let granted = &wanted.claims.wascap.caps;
    let mut bound: HashSet<(&str, Contract)> = HashSet::new();
    for (at, binding) in wanted.manifest.bindings.iter().enumerate() {
        let place = || format!("actors[{number}].bindings[{at}]");
        let provider = provider(providers, binding).at(place)?;
        let (name, contract) = (or_default(&binding.name), provider.contract());
        if !bound.insert((name, contract)) {
            let taken = BindError::Taken { contract, binding: name.to_owned() };
            return Err(HostError::from(taken)).at(place);
        }
        match state.bindings.given(name, contract) {
            // The new claims may grant it no more.
            Some((present, values)) if present.is(&provider) && *values == binding.values => {
                if !contract.names().iter().any(|name| granted.iter().any(|granted| granted == name)) {
                    let error = BindError::NotGranted { contract, granted: granted.clone() };
                    return Err(HostError::from(error)).at(place);
                }
                continue;
            }
            Some(_) => edit.unbind.push((name.to_owned(), contract)),
            None => {}
        }
        edit.bind.push((at, name.to_owned(), provider, binding.values.clone()));
    }
    for (binding, provider) in state.bindings.bound() {
        let ours = |known: &Known| known.bound.contains(&(binding.to_owned(), provider.contract()));
        if known.is_some_and(ours) && !bound.contains(&(binding, provider.contract())) {
            edit.unbind.push((binding.to_owned(), provider.contract()));
        }
    }
    let mut linked: HashSet<&str> = HashSet::new();
    for (at, name) in wanted.manifest.calls.iter().enumerate() {
        let place = || format!("actors[{number}].calls[{at}]");
        let wrong = || Cause::Wrong(format!("there is no actor of the key or alias {name:?}"));
        let link = ways.get(name).ok_or_else(wrong).at(place)?;
        linked.insert(link.key());
        let same = |present: &Link| present.key() == link.key() && present.alias() == link.alias();
        // New claims may grant another of its names.
        if wanted.revised || !state.bindings.links().any(same) {
            edit.link.push((at, link.clone()));
        }
    }
    for link in state.bindings.links() {
        let ours = known.is_some_and(|known| known.linked.contains(link.key()));
        if ours && !linked.contains(link.key()) {
            edit.unlink.push(link.key().to_owned());
        }
    }
    Ok(edit)
}

async fn metrics(running: &Running, manifest: &Manifest) -> Result<MetricsPlan, StartError> {
    let Some(wanted) = &manifest.metrics else {
        return Ok(if running.metrics.is_some() { MetricsPlan::NoMore } else { MetricsPlan::AsBefore });
    };
    let same = running.manifest.metrics.as_ref() == Some(wanted);
    if running.metrics.is_some() && same {
        return Ok(MetricsPlan::AsBefore);
    }
    Ok(MetricsPlan::Anew(listen(&wanted.listen).await.at(|| "metrics".to_owned())?))
}

/// Where the servers listen. One goes on where one of its actor did, or of another that does not need it any more.
async fn servers(running: &Running, wanted: &[Wanted<'_>]) -> Result<Vec<(usize, Listening)>, StartError> {
    let all: Vec<_> = wanted
        .iter()
        .enumerate()
        .filter_map(|(number, actor)| Some((number, actor, actor.manifest.http.as_ref()?)))
        .collect();
    let mut taken: BTreeMap<usize, usize> = BTreeMap::new();
    for own in [true, false] {
        for (number, actor, http) in &all {
            let fits = |(at, serving): &(usize, &super::start::Serving)| {
                let same = serving.http.listen == http.listen;
                // Port 0 is any: only its actor has that very one.
                let own = if own { serving.actor.is(&actor.actor) } else { !http.listen.ends_with(":0") };
                same && own && !taken.values().any(|it| it == at)
            };
            if !taken.contains_key(number)
                && let Some((at, _)) = running.servers.iter().enumerate().find(fits)
            {
                taken.insert(*number, at);
            }
        }
    }
    let mut servers = Vec::new();
    for (number, _, http) in &all {
        let listening = match taken.get(number) {
            Some(at) => Listening::Already(*at),
            None => {
                let place = || format!("actors[{number}].http");
                Listening::Anew(listen(&http.listen).await.at(place)?)
            }
        };
        servers.push((*number, listening));
    }
    Ok(servers)
}

/// Whether an actor is served otherwise than before.
fn served(running: &Running, servers: &[(usize, Listening)], number: usize, wanted: &Wanted<'_>) -> bool {
    let before = running.servers.iter().filter(|serving| serving.actor.is(&wanted.actor));
    let now = servers.iter().find(|(other, _)| *other == number);
    match now {
        None => before.count() > 0,
        Some((_, Listening::Anew(_))) => true,
        Some((_, Listening::Already(at))) => {
            let serving = &running.servers[*at];
            !serving.actor.is(&wanted.actor) || Some(&serving.http) != wanted.manifest.http.as_ref()
        }
    }
}
