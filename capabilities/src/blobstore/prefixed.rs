//! One binding's containers in a store that several share.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    BlobInfo, BlobStore, ContainerInfo, Download, Operation, Page, Query, Range, Upload, missing, names,
};
use crate::binding::{Binding, Bound};
use crate::prefix::{Prefix, Prefixed};
use crate::{Answer, Counters, Error, Result};

/// Makes a binding of a store, which knows one value, `prefix`: with it the binding sees no containers but its own, and
/// they have nothing in common with those of another prefix. The prefix takes up some of the length of a container's
/// name.
///
/// # Errors
///
/// [`Error::InvalidArgument`] if it was given another value, or the prefix is none.
pub fn prefixed(store: Arc<dyn BlobStore>, binding: &Binding<'_>) -> Result<Bound<dyn BlobStore>> {
    let Some(prefix) = Prefix::of(binding, store.name())? else { return Ok(Bound::by(store)) };
    // A prefix of which no container could be made would fail each call.
    names::check_container(&prefix.with("c"))?;
    Ok(Bound::by(Arc::new(Prefixed { inner: store, prefix })))
}

// === impl Prefixed ===

impl Prefixed<dyn BlobStore> {
    /// Calls the store with the container that it knows.
    fn within<T: Send + 'static>(
        &self,
        container: &str,
        call: impl FnOnce(&dyn BlobStore, &str) -> Answer<T>,
    ) -> Answer<T> {
        let own = container.to_owned();
        let answer = self.at(names::check_container(container), container, call);
        answer.map_error(move |error| match error {
            // It is the container that is missing, whatever is asked of it.
            Error::NotFound { .. } => missing(&own),
            error => error,
        })
    }
}

impl BlobStore for Prefixed<dyn BlobStore> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn counters(&self) -> &Counters<Operation> {
        self.inner.counters()
    }

    fn always_ready(&self) -> bool {
        self.inner.always_ready()
    }

    fn create_container(&self, container: &str) -> Answer<bool> {
        self.within(container, |store, container| store.create_container(container))
    }

    fn remove_container(&self, container: &str) -> Answer<bool> {
        self.within(container, |store, container| store.remove_container(container))
    }

    fn containers(&self, query: Query) -> Answer<Page<ContainerInfo>> {
        let prefix = self.prefix.clone();
        let Query { prefix: begin, after, limit } = query;
        let after = after.map(|after| prefix.with(&after));
        let found = self.inner.containers(Query { prefix: prefix.with(&begin), after, limit });
        found.map(move |page| {
            let own = |name: &str| prefix.without(name).map(str::to_owned);
            let items = page.items.into_iter();
            let items = items.filter_map(|info| Some(ContainerInfo { name: own(&info.name)?, ..info }));
            Page { items: items.collect(), next: page.next.as_deref().and_then(own) }
        })
    }

    fn container(&self, container: &str) -> Answer<Option<ContainerInfo>> {
        let name = container.to_owned();
        let found = self.within(container, |store, container| store.container(container));
        found.map(move |info| info.map(|info| ContainerInfo { name, ..info }))
    }

    fn put(&self, container: &str, object: &str, bytes: Bytes) -> Answer<BlobInfo> {
        self.within(container, |store, container| store.put(container, object, bytes))
    }

    fn upload(&self, container: &str, object: &str) -> Answer<Box<dyn Upload>> {
        self.within(container, |store, container| store.upload(container, object))
    }

    fn get(&self, container: &str, object: &str, range: Range) -> Answer<Option<Bytes>> {
        self.within(container, |store, container| store.get(container, object, range))
    }

    fn download(&self, container: &str, object: &str) -> Answer<Option<Box<dyn Download>>> {
        self.within(container, |store, container| store.download(container, object))
    }

    fn info(&self, container: &str, object: &str) -> Answer<Option<BlobInfo>> {
        self.within(container, |store, container| store.info(container, object))
    }

    fn list(&self, container: &str, query: Query) -> Answer<Page<BlobInfo>> {
        self.within(container, |store, container| store.list(container, query))
    }

    fn remove(&self, container: &str, object: &str) -> Answer<bool> {
        self.within(container, |store, container| store.remove(container, object))
    }
}
