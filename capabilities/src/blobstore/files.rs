//! The provider over a folder of the file system.

mod folder;
mod temporary;

use std::collections::HashSet;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use parking_lot::Mutex;

use super::names::{First, check_container, check_names, check_query};
use super::{BlobInfo, BlobStore, ContainerInfo, Download, Operation, Page, Query, Range, Upload, missing};
use crate::blocking::Blocking;
use crate::{Answer, Counters, Error, Result};
use folder::{Entry, Folder, Meta, failed};
use temporary::{Leave, Temporary, Uploading};

/// Keeps each container as a folder in a root folder, and each object as a file in it, so that other programs may
/// read and write them too. A `/` in an object's name is a backslash in the file's.
///
/// Nothing outside the root folder is ever read or written: files are looked up by one name in an open folder, and
/// no link is followed. Links, pipes, devices, folders within containers and files with other names than an
/// object's are not there for this provider. To have one folder as the only container, open its parent. A file under the name of an object that is uploaded is replaced.
///
/// An object is written to a file that no name of an object reaches, brought to the disk (fsync) and then renamed.
/// The calls block, so they are made on the runtime's threads for that: every answer is pending, unless the
/// arguments are refused.
#[derive(Clone, Debug)]
pub struct Files {
    shared: Arc<Shared>,
    counters: Arc<Counters<Operation>>,
    uploads: Arc<AtomicUsize>,
    blocking: Blocking,
}

#[derive(Debug)]
struct Shared {
    root: Folder,
    /// The containers whose left-over files were cleared away.
    cleared: Mutex<HashSet<String>>,
}

struct Downloading {
    counters: Arc<Counters<Operation>>,
    blocking: Blocking,
    info: BlobInfo,
    file: Arc<File>,
}

// === impl Files ===

impl Files {
    /// Opens a root folder. To be called within a tokio runtime, which has to outlive the provider.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] if there is no such folder or it cannot be opened; [`Error::InvalidArgument`] outside a
    /// runtime.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let blocking = Blocking::of("files")?;
        let root = root.as_ref();
        let open = Folder::at(root).map_err(|error| {
            failed(&format!("the root folder {} cannot be opened; make it first", root.display()), &error)
        });
        let shared = Shared { root: open?, cleared: Mutex::default() };
        let (counters, uploads) = (Arc::default(), Arc::default());
        Ok(Self { shared: Arc::new(shared), counters, uploads, blocking })
    }

    fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        checked: Result<()>,
        act: impl FnOnce(&Shared) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        self.counters.count(operation);
        let shared = Arc::clone(&self.shared);
        match checked {
            Ok(()) => self.blocking.run(move || act(&shared)),
            Err(error) => Answer::Ready(Err(error)),
        }
    }

    /// Something about an object in its container's folder.
    fn at<T: Send + 'static>(
        &self,
        operation: Operation,
        container: &str,
        object: &str,
        act: impl FnOnce(&Folder, &Entry) -> std::io::Result<T> + Send + 'static,
    ) -> Answer<T> {
        let checked = check_names(container, object);
        let (container, object) = (container.to_owned(), object.to_owned());
        self.run(operation, checked, move |shared| {
            let folder = shared.folder(&container)?;
            act(&folder, &Entry::of_object(&object)?)
                .map_err(|error| failed(&format!("object {object} of container {container}"), &error))
        })
    }
}

// === impl Shared ===

impl Shared {
    fn folder(&self, container: &str) -> Result<Folder> {
        let folder = self.root.folder(&Entry::of_container(container)?);
        folder.map_err(|error| about(container, &error))?.ok_or_else(|| missing(container))
    }

    /// The folder of a container that is to be written to.
    fn cleared(&self, container: &str) -> Result<Folder> {
        let folder = self.folder(container)?;
        if !self.cleared.lock().contains(container) {
            folder.clear().map_err(|error| about(container, &error))?;
            self.cleared.lock().insert(container.to_owned());
        }
        Ok(folder)
    }

    fn begin(&self, container: &str, object: String) -> Result<Temporary> {
        Temporary::begin(self.cleared(container)?, object)
    }

    fn remove_container(&self, container: &str) -> Result<bool> {
        let entry = Entry::of_container(container)?;
        let remove = || {
            if let Some(folder) = self.root.folder(&entry)? {
                folder.clear()?;
            }
            self.root.unmake(&entry)
        };
        let removed = remove().map_err(|error| match error.kind() {
            ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists => {
                Error::NotEmpty { container: container.to_owned() }
            }
            _ => about(container, &error),
        })?;
        self.cleared.lock().remove(container);
        Ok(removed)
    }

    fn containers(&self, query: &Query) -> std::io::Result<Page<ContainerInfo>> {
        let mut first = First::of(query);
        self.root.entries(|entry| {
            if let Some(name) = entry.container()
                && first.wants(name)
                && self.root.folder_meta(&entry)?.is_some()
            {
                first.offer(name);
            }
            Ok(())
        })?;
        page(first, |name| {
            let meta = self.root.folder_meta(&Entry::of_container(&name).ok()?).ok()??;
            Some(ContainerInfo { name, changed: meta.changed })
        })
    }
}

impl BlobStore for Files {
    fn name(&self) -> &'static str {
        "files"
    }

    fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    fn always_ready(&self) -> bool {
        false
    }

    fn create_container(&self, container: &str) -> Answer<bool> {
        let (checked, name) = (check_container(container), container.to_owned());
        self.run(Operation::CreateContainer, checked, move |shared| {
            shared.root.make(&Entry::of_container(&name)?).map_err(|error| about(&name, &error))
        })
    }

    fn remove_container(&self, container: &str) -> Answer<bool> {
        let (checked, name) = (check_container(container), container.to_owned());
        self.run(Operation::RemoveContainer, checked, move |shared| shared.remove_container(&name))
    }

    fn containers(&self, query: Query) -> Answer<Page<ContainerInfo>> {
        self.run(Operation::Containers, check_query(&query), move |shared| {
            shared.containers(&query).map_err(|error| failed("the containers cannot be listed", &error))
        })
    }

    fn container(&self, container: &str) -> Answer<Option<ContainerInfo>> {
        let (checked, name) = (check_container(container), container.to_owned());
        self.run(Operation::Container, checked, move |shared| {
            let meta = shared.root.folder_meta(&Entry::of_container(&name)?);
            let meta = meta.map_err(|error| about(&name, &error))?;
            Ok(meta.map(|meta| ContainerInfo { name, changed: meta.changed }))
        })
    }

    fn put(&self, container: &str, object: &str, bytes: Bytes) -> Answer<BlobInfo> {
        let checked = check_names(container, object);
        let (container, object) = (container.to_owned(), object.to_owned());
        self.run(Operation::Put, checked, move |shared| {
            let temporary = shared.begin(&container, object)?;
            temporary.append(&bytes)?;
            temporary.finish()
        })
    }

    fn upload(&self, container: &str, object: &str) -> Answer<Box<dyn Upload>> {
        let checked = check_names(container, object);
        let leave = Leave::take(&self.uploads);
        let (container, object) = (container.to_owned(), object.to_owned());
        let (counters, blocking) = (Arc::clone(&self.counters), self.blocking.clone());
        self.run(Operation::StartUpload, checked, move |shared| {
            let _leave = leave?;
            let temporary = Arc::new(shared.begin(&container, object)?);
            Ok(Box::new(Uploading { counters, blocking, temporary, _leave }) as Box<dyn Upload>)
        })
    }

    fn get(&self, container: &str, object: &str, range: Range) -> Answer<Option<Bytes>> {
        let read = self.at(Operation::Get, container, object, move |folder, entry| {
            let Some((file, meta)) = folder.file(entry)? else { return Ok(Ok(None)) };
            match range.within(meta.size) {
                Ok(range) => Ok(Ok(Some(read(&file, range)?))),
                Err(error) => Ok(Err(error)),
            }
        });
        flatten(read)
    }

    fn download(&self, container: &str, object: &str) -> Answer<Option<Box<dyn Download>>> {
        let (counters, blocking) = (Arc::clone(&self.counters), self.blocking.clone());
        let name = object.to_owned();
        self.at(Operation::StartDownload, container, object, move |folder, entry| {
            Ok(folder.file(entry)?.map(|(file, meta)| {
                let (info, file) = (meta.blob(name), Arc::new(file));
                Box::new(Downloading { counters, blocking, info, file }) as Box<dyn Download>
            }))
        })
    }

    fn info(&self, container: &str, object: &str) -> Answer<Option<BlobInfo>> {
        let name = object.to_owned();
        self.at(Operation::Info, container, object, move |folder, entry| {
            Ok(folder.file_meta(entry)?.map(|meta| meta.blob(name)))
        })
    }

    fn list(&self, container: &str, query: Query) -> Answer<Page<BlobInfo>> {
        let checked = check_container(container).and_then(|()| check_query(&query));
        let container = container.to_owned();
        self.run(Operation::List, checked, move |shared| {
            let folder = shared.folder(&container)?;
            list(&folder, &query).map_err(|error| about(&container, &error))
        })
    }

    fn remove(&self, container: &str, object: &str) -> Answer<bool> {
        self.at(Operation::Remove, container, object, |folder, entry| {
            let removed = folder.file_meta(entry)?.is_some() && folder.remove(entry)?;
            if removed {
                folder.sync()?;
            }
            Ok(removed)
        })
    }
}

// === impl Meta ===

impl Meta {
    fn blob(self, name: String) -> BlobInfo {
        BlobInfo { name, size: self.size, changed: self.changed }
    }
}

// === impl Downloading ===

impl Download for Downloading {
    fn info(&self) -> &BlobInfo {
        &self.info
    }

    fn read(&self, range: Range) -> Answer<Bytes> {
        self.counters.count(Operation::DownloadChunk);
        let (file, name) = (Arc::clone(&self.file), self.info.name.clone());
        match range.within(self.info.size) {
            Ok(range) => self
                .blocking
                .run(move || read(&file, range).map_err(|error| failed(&format!("object {name}"), &error))),
            Err(error) => Answer::Ready(Err(error)),
        }
    }
}

// === free functions ===

fn about(container: &str, error: &std::io::Error) -> Error {
    failed(&format!("container {container}"), error)
}

fn read(file: &File, range: std::ops::Range<u64>) -> std::io::Result<Bytes> {
    // No longer than what is read at a time.
    let mut bytes = vec![0; (range.end - range.start) as usize];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes.into())
}

fn list(folder: &Folder, query: &Query) -> std::io::Result<Page<BlobInfo>> {
    let mut first = First::of(query);
    folder.entries(|entry| {
        if let Some(name) = entry.object()
            && first.wants(&name)
            && folder.file_meta(&entry)?.is_some()
        {
            first.offer(&name);
        }
        Ok(())
    })?;
    page(first, |name| {
        // One that was removed meanwhile is left out.
        let meta = folder.file_meta(&Entry::of_object(&name).ok()?).ok()??;
        Some(meta.blob(name))
    })
}

fn page<T>(first: First<'_>, item: impl FnMut(String) -> Option<T>) -> std::io::Result<Page<T>> {
    let Page { items, next } = first.page();
    Ok(Page { items: items.into_iter().filter_map(item).collect(), next })
}

fn flatten<T: Send + 'static>(answer: Answer<Result<T>>) -> Answer<T> {
    match answer {
        Answer::Ready(result) => Answer::Ready(result.and_then(|result| result)),
        Answer::Pending(future) => Answer::pending(async move { future.await? }),
    }
}
