//! The providers of `BlobStore`.

mod files;
mod memory;
mod promises;
mod properties;

use std::sync::Arc;

use bytes::Bytes;
use pillion_capabilities::BlobStore;
use pillion_capabilities::binding::{Actor, Binding};
use pillion_capabilities::blobstore::{Files, Memory, Query, Range};
use tempfile::TempDir;

use crate::providers::{prefix, runtime};

type Store = Arc<dyn BlobStore>;

/// More than any test puts in.
const ROOM: u64 = 1 << 30;

fn with_memory<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    runtime().block_on(test(Arc::new(Memory::new(ROOM))));
}

fn with_files<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    let directory = TempDir::new().unwrap();
    runtime().block_on(async { test(Arc::new(Files::open(directory.path()).unwrap())).await });
}

fn with_prefix<F: Future<Output = ()>>(test: impl FnOnce(Store) -> F) {
    runtime().block_on(async {
        let store: Store = Arc::new(Memory::new(ROOM));
        let (actor, values) = (Actor::default(), prefix("own"));
        let binding = Binding { name: "default", actor: &actor, values: &values };
        test(store.bind(Arc::clone(&store), &binding).unwrap().provider).await;
        let containers = store.containers(Query::default()).wait().await.unwrap().items;
        assert!(containers.iter().all(|container| container.name.starts_with("own:")), "{containers:?}");
    });
}

async fn all(store: &dyn BlobStore, container: &str, object: &str) -> Option<Bytes> {
    store.get(container, object, Range::ALL).wait().await.unwrap()
}

/// The names of the objects, page by page.
async fn names(store: &dyn BlobStore, container: &str, prefix: &str, limit: usize) -> Vec<String> {
    let mut query = Query { prefix: prefix.to_owned(), after: None, limit };
    let mut names = Vec::new();
    loop {
        let page = store.list(container, query.clone()).wait().await.unwrap();
        assert!(page.items.len() <= limit);
        names.extend(page.items.into_iter().map(|item| item.name));
        match page.next {
            Some(next) => query.after = Some(next),
            None => return names,
        }
    }
}
