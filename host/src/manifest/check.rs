//! What can be known about a manifest without letting anything in.

use std::collections::HashSet;
use std::path::Path;

use pillion_capabilities::eventstreams::Memory as Events;
use pillion_capabilities::messaging::Memory as Bus;
use pillion_capabilities::{EventStreams as _, Messaging as _};

use super::error::{At as _, Cause};
use super::start::{Prepared, Purpose};
use super::{ActorManifest, Manifest, Running, StartError};
use crate::{ActorRef, HostError, Inventory, http_server};

impl Running {
    /// Checks all that [`Running::start`] would do, without its effects: nothing is listened or subscribed to, and no
    /// file is made or opened for writing. Modules are verified and compiled, policies asked, servers connected to. The
    /// inventory is what would run, but for its subscriptions. To be called within a tokio runtime.
    ///
    /// # Errors
    /// As [`Running::start`].
    pub async fn check(manifest: &Manifest, base: &Path) -> Result<Inventory, StartError> {
        let Prepared { host, actors, stand_ins, .. } = Prepared::of(manifest, base, Purpose::Check).await?;
        let mut addresses = HashSet::new();
        if let Some(metrics) = &manifest.metrics {
            let resolved = tokio::net::lookup_host(&metrics.listen).await;
            let resolved = resolved.map_err(|error| Cause::Wrong(format!("{}: {error}", metrics.listen)));
            let resolved = resolved.at(|| "metrics".to_owned())?;
            addresses.extend(resolved.filter(|address| address.port() != 0));
        }
        for (number, actor, loaded) in &actors {
            subscriptions(*number, actor, loaded).await?;
            events(*number, actor, loaded).await?;
            if let Some(http) = &actor.http {
                let place = || format!("actors[{number}].http");
                let wrong = |text: String| Cause::Wrong(format!("{}: {text}", http.listen));
                let granted = loaded.claims();
                if !http_server::granted(&granted) {
                    let granted = granted.wascap.caps.clone();
                    return Err(HostError::HttpNotGranted { granted }).at(place);
                }
                let resolved = tokio::net::lookup_host(&http.listen).await;
                let resolved = resolved.map_err(|error| wrong(error.to_string())).at(place)?;
                for address in resolved.filter(|address| address.port() != 0) {
                    if !addresses.insert(address) {
                        return Err(wrong(
                            "something else of this manifest listens there already".to_owned(),
                        ))
                        .at(place);
                    }
                }
            }
        }
        let inventory = host.inventory();
        drop((host, stand_ins));
        Ok(inventory)
    }
}

async fn subscriptions(number: usize, actor: &ActorManifest, loaded: &ActorRef) -> Result<(), StartError> {
    let mut topics = HashSet::new();
    for (at, subscription) in actor.subscriptions.iter().enumerate() {
        let place = || format!("actors[{number}].subscriptions[{at}]");
        let bound = loaded.state().bindings.messaging(&subscription.binding);
        let (binding, provider) = bound.map_err(HostError::from).at(place)?;
        if subscription.dead_letter.is_some() && !provider.guarantees().dead_letters {
            let text =
                format!("the provider {} keeps no dead letters; leave out `deadLetter`", provider.name());
            return Err(Cause::Wrong(text)).at(place);
        }
        // All providers have the same rules for names and options; this one has no effect on anybody.
        drop(Bus::default().subscribe(&subscription.topic, subscription.options()).wait().await.at(place)?);
        if !topics.insert((binding, &subscription.topic)) {
            let (actor, topic) = (loaded.key().to_owned(), subscription.topic.clone());
            return Err(HostError::Subscribed { actor, topic }).at(place);
        }
    }
    Ok(())
}

async fn events(number: usize, actor: &ActorManifest, loaded: &ActorRef) -> Result<(), StartError> {
    let mut streams = HashSet::new();
    for (at, events) in actor.events.iter().enumerate() {
        let place = || format!("actors[{number}].events[{at}]");
        let bound = loaded.state().bindings.event_streams(&events.binding);
        let (binding, _) = bound.map_err(HostError::from).at(place)?;
        // All providers have the same rules for names and options; this one has no effect on anybody.
        let nowhere = Events::new(1, u64::MAX);
        drop(nowhere.subscribe(&events.stream, events.options()).wait().await.at(place)?);
        if !streams.insert((binding, &events.stream)) {
            let (actor, topic) = (loaded.key().to_owned(), events.stream.clone());
            return Err(HostError::Subscribed { actor, topic }).at(place);
        }
    }
    Ok(())
}
