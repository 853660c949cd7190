//! What opens the components, and opens those anew whose files changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pillion_capabilities::trace::Tracing;

use super::files::{Read, find};
use super::secret_refs::resolved;
use super::template::filled;
use super::watch::Watch;
use super::{ComponentError, Components, Manifest, Named, open};
use crate::Flags;
use crate::metrics::Metrics;
use crate::pubsub::Subscription;
use crate::resiliency::Resiliency;
use crate::secrets::SecretStore;

/// Opens components, and remembers what it opened.
pub(crate) struct Loader {
    flags: Flags,
    tracing: Option<Tracing>,
    resiliency: Option<Arc<Resiliency>>,
    metrics: Option<Arc<Metrics>>,
    opened: Vec<Opened>,
    databases: open::Databases,
    /// What each file says that the app subscribes to.
    subscriptions: Vec<(PathBuf, Vec<Arc<Subscription>>)>,
    /// The files, as they were when they were last read.
    pub(super) watch: Watch,
}

/// A component that is open.
struct Opened {
    file: PathBuf,
    /// As it is in the file.
    manifest: Manifest,
    /// With the values of its secrets, and tags as they are: what `{uuid}` stands for is no change.
    resolved: Manifest,
    /// It, and nothing else.
    part: Components,
}

/// What a reload came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Changes {
    /// The components that are new or others than before.
    pub(crate) opened: Vec<String>,
    /// The components that are gone.
    pub(crate) gone: Vec<String>,
    /// Whether files say otherwise what the app subscribes to.
    pub(crate) subscriptions: bool,
    /// What could not be taken.
    pub(crate) refused: Vec<String>,
}

/// Where secrets are looked up: these are opened before all others.
const SECRETS: &str = "secretstores";

// === impl Loader ===

impl Loader {
    /// Nothing is open yet.
    pub(crate) fn new(
        flags: &Flags,
        tracing: Option<Tracing>,
        metrics: Option<Arc<Metrics>>,
        resiliency: Option<Arc<Resiliency>>,
    ) -> Self {
        let watch = Watch::new(&flags.resources_path);
        let (opened, databases, subscriptions) = (Vec::new(), open::Databases::default(), Vec::new());
        Self { flags: flags.clone(), tracing, resiliency, metrics, opened, databases, subscriptions, watch }
    }

    /// Opens every component that the files under `--resources-path` define for this app.
    ///
    /// # Errors
    /// A file that cannot be read, a component that cannot be used, or a name that is taken.
    pub(crate) async fn open(&mut self) -> Result<Components, ComponentError> {
        let mut wanted: Vec<(PathBuf, Manifest)> = Vec::new();
        for Read { file, manifests, subscriptions } in find(&self.flags)? {
            let manifests = manifests?;
            self.subscriptions.push((file.clone(), subscriptions?));
            for manifest in manifests {
                if let Some((first, _)) = wanted.iter().find(|(_, known)| known.name == manifest.name) {
                    return Err(duplicate(&manifest, first, file));
                }
                wanted.push((file.clone(), manifest));
            }
        }
        let mut stores = Named::default();
        let mut opened: Vec<Option<Opened>> = wanted.iter().map(|_| None).collect();
        for first in [true, false] {
            for (place, (file, manifest)) in opened.iter_mut().zip(&wanted) {
                if is_secret_store(manifest) != first {
                    continue;
                }
                match self.open_one(file.clone(), manifest.clone(), &stores).await {
                    Ok(one) => {
                        stores.add_all(&one.part.secrets);
                        *place = Some(one);
                    }
                    Err(error) if manifest.ignore_errors => {
                        tracing::error!("going on without a component, as its ignoreErrors says: {error}");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        self.opened = opened.into_iter().flatten().collect();
        Ok(self.components())
    }

    /// Looks at the files again, opens what is new or changed and lets go what is gone. What did not change stays open as
    /// it is, and so does what cannot be taken: a file that cannot be read, or a component that cannot be opened, leaves
    /// all as it was. Answers nothing if nothing is to be done.
    pub(crate) async fn reload(&mut self) -> (Changes, Option<Components>) {
        let mut changes = Changes::default();
        let found = match find(&self.flags) {
            Ok(found) => found,
            Err(error) => {
                changes.refuse(&error);
                return (changes, None);
            }
        };
        let mut wanted: Vec<(PathBuf, Manifest)> = Vec::new();
        let mut declared = Vec::new();
        for Read { file, manifests, subscriptions } in found {
            let before = || {
                let known = self.subscriptions.iter().find(|(known, _)| *known == file);
                known.map(|(_, subscriptions)| subscriptions.clone()).unwrap_or_default()
            };
            let subscriptions = match (&manifests, subscriptions) {
                (Ok(_), Ok(subscriptions)) => subscriptions,
                (Err(_), _) => before(),
                (Ok(_), Err(error)) => {
                    changes.refuse(&error);
                    before()
                }
            };
            declared.push((file.clone(), subscriptions));
            let manifests = manifests.unwrap_or_else(|error| {
                changes.refuse(&error);
                let before = self.opened.iter().filter(|opened| opened.file == file);
                before.map(|opened| opened.manifest.clone()).collect()
            });
            for manifest in manifests {
                match wanted.iter().find(|(_, known)| known.name == manifest.name) {
                    Some((first, _)) => changes.refuse(&duplicate(&manifest, first, file.clone())),
                    None => wanted.push((file.clone(), manifest)),
                }
            }
        }
        let mut before: Vec<Option<Opened>> =
            std::mem::take(&mut self.opened).into_iter().map(Some).collect();
        let mut stores = Named::default();
        let mut opened: Vec<Option<Opened>> = wanted.iter().map(|_| None).collect();
        for first in [true, false] {
            for (place, (file, manifest)) in opened.iter_mut().zip(&wanted) {
                if is_secret_store(manifest) != first {
                    continue;
                }
                let old = before
                    .iter_mut()
                    .find(|old| old.as_ref().is_some_and(|old| old.manifest.name == manifest.name));
                let old = old.and_then(Option::take);
                *place = self.take(old, file, manifest, &stores, &mut changes).await;
                if let Some(one) = place {
                    stores.add_all(&one.part.secrets);
                }
            }
        }
        changes.gone.extend(before.into_iter().flatten().map(|old| old.manifest.name));
        self.opened = opened.into_iter().flatten().collect();
        changes.subscriptions = all(&declared).ne(all(&self.subscriptions));
        self.subscriptions = declared;
        let changed = changes.subscriptions || !changes.opened.is_empty() || !changes.gone.is_empty();
        let components = changed.then(|| self.components());
        (changes, components)
    }

    /// One component: as it was if it is the same, anew if it is another.
    async fn take(
        &self,
        old: Option<Opened>,
        file: &Path,
        manifest: &Manifest,
        stores: &Named<SecretStore>,
        changes: &mut Changes,
    ) -> Option<Opened> {
        let values = match resolved(manifest, file, stores).await {
            Ok(values) => values,
            Err(error) => {
                changes.refuse(&error);
                return old;
            }
        };
        if let Some(old) = old {
            if old.resolved == values {
                return Some(Opened { file: file.to_owned(), manifest: manifest.clone(), ..old });
            }
            return match self.open_resolved(file.to_owned(), manifest.clone(), values).await {
                Ok(one) => {
                    changes.opened.push(manifest.name.clone());
                    Some(one)
                }
                Err(error) => {
                    changes.refuse(&error);
                    Some(old)
                }
            };
        }
        match self.open_resolved(file.to_owned(), manifest.clone(), values).await {
            Ok(one) => {
                changes.opened.push(manifest.name.clone());
                Some(one)
            }
            Err(error) => {
                changes.refuse(&error);
                None
            }
        }
    }

    async fn open_one(
        &self,
        file: PathBuf,
        manifest: Manifest,
        stores: &Named<SecretStore>,
    ) -> Result<Opened, ComponentError> {
        let values = resolved(&manifest, &file, stores).await?;
        self.open_resolved(file, manifest, values).await
    }

    async fn open_resolved(
        &self,
        file: PathBuf,
        manifest: Manifest,
        resolved: Manifest,
    ) -> Result<Opened, ComponentError> {
        let mut part = Components::of_stores(&self.flags.app_id, Vec::new());
        let opened = match filled(&resolved, &file, &self.flags) {
            Ok(filled) => {
                let (tracing, databases) = (self.tracing.as_ref(), &self.databases);
                open::component(&filled, &file, &self.flags, tracing, databases, &mut part).await
            }
            Err(error) => Err(error),
        };
        if let Some(metrics) = &self.metrics {
            metrics.count_opened(&manifest.kind, opened.is_ok());
            part.measure(metrics.times());
        }
        opened?;
        if let Some(resiliency) = &self.resiliency {
            part.police(resiliency);
        }
        Ok(Opened { file, manifest, resolved, part })
    }

    fn components(&self) -> Components {
        let mut all = Components::of_stores(&self.flags.app_id, Vec::new());
        self.opened.iter().for_each(|opened| all.add(&opened.part));
        all.subscriptions.extend(self::all(&self.subscriptions).cloned());
        all
    }
}

// === impl Changes ===

impl Changes {
    fn refuse(&mut self, error: &ComponentError) {
        self.refused.push(error.to_string());
    }
}

// === free functions ===

/// What all files say.
fn all(declared: &[(PathBuf, Vec<Arc<Subscription>>)]) -> impl Iterator<Item = &Arc<Subscription>> {
    declared.iter().flat_map(|(_, subscriptions)| subscriptions)
}

fn is_secret_store(manifest: &Manifest) -> bool {
    manifest.building_block() == Some(SECRETS)
}

fn duplicate(manifest: &Manifest, first: &Path, second: PathBuf) -> ComponentError {
    ComponentError::Duplicate { name: manifest.name.clone(), first: first.to_owned(), second }
}
