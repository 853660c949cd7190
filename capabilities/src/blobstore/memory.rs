//! The provider in memory.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use parking_lot::Mutex;

use super::names::{check_container, check_names, check_query, page_of};
use super::{
    BlobInfo, BlobStore, ContainerInfo, Download, MOST_UPLOADS, Operation, Page, Query, Range, Upload,
    missing, too_many_uploads, unfinished,
};
use crate::{Answer, Counters, Error, Result};

/// Keeps objects in this process's memory, and loses them with the process.
///
/// Every call answers [`Answer::Ready`]. What it holds is bounded by the room it is given: the bytes of all objects
/// and of the uploads under way, and [`OVERHEAD`](Self::OVERHEAD) for each object, upload and container. An object
/// that is replaced takes up its room until the new one is there. A download keeps the bytes it reads alive, and once
/// they are replaced or removed the room no longer counts them. Bytes that are put as a part of a larger buffer keep all
/// of it, of which the room counts the part.
#[derive(Clone, Debug)]
pub struct Memory {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    counters: Counters<Operation>,
    /// How much all may take up, in bytes.
    room: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    containers: BTreeMap<String, Container>,
    /// What of the room is taken up, in bytes.
    used: u64,
    uploads: usize,
}

#[derive(Debug)]
struct Container {
    objects: BTreeMap<String, Object>,
    changed: SystemTime,
    /// How many are under way to here. They keep the container from being removed.
    uploads: usize,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Bytes,
    changed: SystemTime,
}

struct Uploading {
    shared: Arc<Shared>,
    container: String,
    object: String,
    bytes: Vec<u8>,
    /// Whether a chunk found no room.
    failed: bool,
    /// What it takes up of the room, in bytes.
    used: u64,
}

struct Downloading {
    shared: Arc<Shared>,
    info: BlobInfo,
    bytes: Bytes,
}

// === impl Memory ===

impl Memory {
    /// What each object, upload and container takes up besides its bytes, in bytes: its names and the tables'
    /// entries.
    pub const OVERHEAD: u64 = 1024;

    /// An empty store with room for so many bytes.
    #[must_use]
    pub fn new(room: u64) -> Self {
        let state = Mutex::default();
        Self { shared: Arc::new(Shared { counters: Counters::default(), room, state }) }
    }

    /// How many bytes of the room are taken up.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.shared.state.lock().used
    }

    fn run<T>(
        &self,
        operation: Operation,
        checked: Result<()>,
        act: impl FnOnce(&mut State) -> Result<T>,
    ) -> Answer<T> {
        self.shared.counters.count(operation);
        Answer::Ready(checked.and_then(|()| act(&mut self.shared.state.lock())))
    }
}

// === impl State ===

impl State {
    fn container(&mut self, name: &str) -> Result<&mut Container> {
        self.containers.get_mut(name).ok_or_else(|| missing(name))
    }

    /// The container's object, if it is there.
    fn object(&mut self, container: &str, object: &str) -> Result<Option<&Object>> {
        Ok(self.container(container)?.objects.get(object))
    }

    fn take_up(&mut self, bytes: u64, room: u64) -> Result<()> {
        let used = self.used.saturating_add(bytes);
        if used > room {
            return Err(Error::TooMuch {
                what: "bytes of objects in memory; remove some or give it more room".to_owned(),
                most: room,
            });
        }
        self.used = used;
        Ok(())
    }

    /// Makes an object appear whose room is taken up already.
    fn place(&mut self, container: &str, object: String, bytes: Bytes) -> Result<BlobInfo> {
        let changed = SystemTime::now();
        let info = BlobInfo { name: object.clone(), size: length(&bytes), changed: Some(changed) };
        let container = self.container(container)?;
        container.changed = changed;
        if let Some(before) = container.objects.insert(object, Object { bytes, changed }) {
            self.used -= length(&before.bytes) + Memory::OVERHEAD;
        }
        Ok(info)
    }
}

impl BlobStore for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.shared.counters
    }

    fn always_ready(&self) -> bool {
        true
    }

    fn create_container(&self, container: &str) -> Answer<bool> {
        self.run(Operation::CreateContainer, check_container(container), |state| {
            if state.containers.contains_key(container) {
                return Ok(false);
            }
            state.take_up(Self::OVERHEAD, self.shared.room)?;
            let empty = Container { objects: BTreeMap::new(), changed: SystemTime::now(), uploads: 0 };
            state.containers.insert(container.to_owned(), empty);
            Ok(true)
        })
    }

    fn remove_container(&self, container: &str) -> Answer<bool> {
        self.run(Operation::RemoveContainer, check_container(container), |state| {
            match state.containers.get(container) {
                None => return Ok(false),
                Some(held) if held.uploads > 0 || !held.objects.is_empty() => {
                    return Err(Error::NotEmpty { container: container.to_owned() });
                }
                Some(_) => state.containers.remove(container),
            };
            state.used -= Self::OVERHEAD;
            Ok(true)
        })
    }

    fn containers(&self, query: Query) -> Answer<Page<ContainerInfo>> {
        self.run(Operation::Containers, check_query(&query), |state| {
            let page = page_of(&query, &state.containers);
            let item = |name: String| {
                let changed = state.containers.get(&name)?.changed;
                Some(ContainerInfo { name, changed: Some(changed) })
            };
            Ok(Page { items: page.items.into_iter().filter_map(item).collect(), next: page.next })
        })
    }

    fn container(&self, container: &str) -> Answer<Option<ContainerInfo>> {
        self.run(Operation::Container, check_container(container), |state| {
            let held = state.containers.get(container);
            Ok(held.map(|held| ContainerInfo { name: container.to_owned(), changed: Some(held.changed) }))
        })
    }

    fn put(&self, container: &str, object: &str, bytes: Bytes) -> Answer<BlobInfo> {
        self.run(Operation::Put, check_names(container, object), |state| {
            state.container(container)?;
            state.take_up(length(&bytes).saturating_add(Self::OVERHEAD), self.shared.room)?;
            state.place(container, object.to_owned(), bytes)
        })
    }

    fn upload(&self, container: &str, object: &str) -> Answer<Box<dyn Upload>> {
        self.run(Operation::StartUpload, check_names(container, object), |state| {
            state.container(container)?;
            if state.uploads == MOST_UPLOADS {
                return Err(too_many_uploads());
            }
            state.take_up(Self::OVERHEAD, self.shared.room)?;
            state.uploads += 1;
            state.container(container)?.uploads += 1;
            Ok(Box::new(Uploading {
                shared: Arc::clone(&self.shared),
                container: container.to_owned(),
                object: object.to_owned(),
                bytes: Vec::new(),
                failed: false,
                used: Self::OVERHEAD,
            }) as Box<dyn Upload>)
        })
    }

    fn get(&self, container: &str, object: &str, range: Range) -> Answer<Option<Bytes>> {
        self.run(Operation::Get, check_names(container, object), |state| {
            state.object(container, object)?.map(|object| slice(&object.bytes, range)).transpose()
        })
    }

    fn download(&self, container: &str, object: &str) -> Answer<Option<Box<dyn Download>>> {
        self.run(Operation::StartDownload, check_names(container, object), |state| {
            let Some(found) = state.object(container, object)? else { return Ok(None) };
            let (info, bytes) = (found.info(object), found.bytes.clone());
            let shared = Arc::clone(&self.shared);
            Ok(Some(Box::new(Downloading { shared, info, bytes }) as Box<dyn Download>))
        })
    }

    fn info(&self, container: &str, object: &str) -> Answer<Option<BlobInfo>> {
        self.run(Operation::Info, check_names(container, object), |state| {
            Ok(state.object(container, object)?.map(|found| found.info(object)))
        })
    }

    fn list(&self, container: &str, query: Query) -> Answer<Page<BlobInfo>> {
        let checked = check_container(container).and_then(|()| check_query(&query));
        self.run(Operation::List, checked, |state| {
            let objects = &state.container(container)?.objects;
            let page = page_of(&query, objects);
            let items = page.items.iter().filter_map(|name| Some(objects.get(name)?.info(name)));
            Ok(Page { items: items.collect(), next: page.next })
        })
    }

    fn remove(&self, container: &str, object: &str) -> Answer<bool> {
        self.run(Operation::Remove, check_names(container, object), |state| {
            let held = state.container(container)?;
            let Some(removed) = held.objects.remove(object) else { return Ok(false) };
            held.changed = SystemTime::now();
            state.used -= length(&removed.bytes) + Self::OVERHEAD;
            Ok(true)
        })
    }
}

// === impl Object ===

impl Object {
    fn info(&self, name: &str) -> BlobInfo {
        BlobInfo { name: name.to_owned(), size: length(&self.bytes), changed: Some(self.changed) }
    }
}

// === impl Uploading ===

impl Upload for Uploading {
    fn append(&mut self, chunk: Bytes) -> Answer<u64> {
        self.shared.counters.count(Operation::UploadChunk);
        let room = self.shared.state.lock().take_up(length(&chunk), self.shared.room);
        self.failed |= room.is_err();
        Answer::Ready(room.map(|()| {
            self.used += length(&chunk);
            self.bytes.extend_from_slice(&chunk);
            length(&self.bytes)
        }))
    }

    fn finish(mut self: Box<Self>) -> Answer<BlobInfo> {
        self.shared.counters.count(Operation::FinishUpload);
        if self.failed {
            return Answer::Ready(Err(unfinished(&self.object)));
        }
        let object = mem::take(&mut self.object);
        // A vector has up to twice the bytes that are in it, which the room does not count.
        let bytes = mem::take(&mut self.bytes).into_boxed_slice().into();
        let placed = self.shared.state.lock().place(&self.container, object, bytes);
        if placed.is_ok() {
            // What it took up is the object's now.
            self.used = 0;
        }
        Answer::Ready(placed)
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.used -= self.used;
        state.uploads -= 1;
        if let Some(container) = state.containers.get_mut(&self.container) {
            container.uploads -= 1;
        }
    }
}

// === impl Downloading ===

impl Download for Downloading {
    fn info(&self) -> &BlobInfo {
        &self.info
    }

    fn read(&self, range: Range) -> Answer<Bytes> {
        self.shared.counters.count(Operation::DownloadChunk);
        Answer::Ready(slice(&self.bytes, range))
    }
}

// === free functions ===

fn length(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}

fn slice(bytes: &Bytes, range: Range) -> Result<Bytes> {
    let range = range.within(length(bytes))?;
    // Both ends are within the length, which is a usize.
    Ok(bytes.slice(range.start as usize..range.end as usize))
}
