//! `bindings.localstorage`: plain files below one folder.

mod folder;
mod name;

use std::collections::HashMap;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use pillion_capabilities::{Counters, Operations};
use uuid::Uuid;

use super::error::Failure;
use super::{Request, Response};
use folder::Folder;
use name::Name;

pub(super) const OPERATIONS: &[&str] = &["create", "get", "list", "delete"];

/// The operations, by their places in [`OPERATIONS`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Create,
    Get,
    List,
    Delete,
}

/// Files below a folder. Nothing outside of it is ever read or written, and no link is followed.
#[derive(Debug)]
pub(crate) struct LocalStorage {
    counters: Counters<Operation>,
    root: Arc<Root>,
}

#[derive(Debug)]
struct Root {
    path: PathBuf,
    folder: Folder,
}

/// The metadata that names a file, in a folder or none.
const FILE_NAME: &str = "fileName";
/// No file of these is an app's to change.
const FORBIDDEN: [&str; 4] = ["/proc", "/sys", "/boot", "/var/run/secrets"];

/// As Go decodes: the end is filled up with `=`, and its spare bits are whatever they are.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// A request to make a file, with a name for it: were it made up anew with each try, each would leave another file.
pub(super) fn named(mut request: Request) -> Request {
    let name = request.metadata.entry(FILE_NAME.to_owned()).or_default();
    if request.operation == OPERATIONS[Operation::Create as usize] && name.is_empty() {
        *name = Uuid::new_v4().to_string();
    }
    request
}

// === impl Operation ===

impl Operations for Operation {
    const ALL: &'static [Self] = &[Self::Create, Self::Get, Self::List, Self::Delete];

    fn name(self) -> &'static str {
        OPERATIONS[self as usize]
    }

    fn index(self) -> usize {
        self as usize
    }
}

// === impl LocalStorage ===

impl LocalStorage {
    /// Opens a folder, and makes it if it is not there. What is wrong with it is a text.
    pub(crate) fn open(path: &str) -> Result<Self, String> {
        let path = std::path::absolute(path).map_err(|error| format!("setting rootPath: {error}"))?;
        let failed = |error: Error| format!("setting rootPath: {} cannot be opened: {error}", path.display());
        std::fs::create_dir_all(&path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        if path == Path::new("/") || FORBIDDEN.iter().any(|forbidden| path.starts_with(forbidden)) {
            return Err(format!("setting rootPath: {} is not for apps to write to", path.display()));
        }
        let folder = Folder::open(&path).map_err(failed)?;
        Ok(Self { counters: Counters::default(), root: Arc::new(Root { path, folder }) })
    }

    /// How often each operation was reached.
    pub(crate) fn counters(&self) -> &Counters<Operation> {
        &self.counters
    }

    pub(super) async fn invoke(&self, request: Request) -> Result<Option<Response>, Failure> {
        let Request { operation, data, mut metadata } = request;
        let operation = match operation.as_str() {
            "create" => Operation::Create,
            "get" => Operation::Get,
            "list" => Operation::List,
            _ => Operation::Delete,
        };
        self.counters.count(operation);
        let file = metadata.remove(FILE_NAME).filter(|name| !name.is_empty());
        let file = match operation {
            Operation::Create => file.unwrap_or_else(|| Uuid::new_v4().to_string()),
            Operation::List => file.unwrap_or_default(),
            Operation::Get | Operation::Delete => file.ok_or("required metadata not set: fileName")?,
        };
        let name = Name::parse(&file)?;
        let root = Arc::clone(&self.root);
        let act = move || match operation {
            Operation::Create => root.create(&name, data).map(Some),
            Operation::Get => root.get(&name).map(Some),
            Operation::List => root.list(&name).map(Some),
            Operation::Delete => root.delete(&name).map(|()| None),
        };
        let answer =
            tokio::task::spawn_blocking(act).await.map_err(|error| Failure::Outside(error.to_string()))??;
        Ok(answer.map(|data| Response { data, metadata: HashMap::new() }))
    }
}

// === impl Root ===

impl Root {
    fn create(&self, name: &Name, data: Bytes) -> Result<Bytes, Failure> {
        let (parents, file) = name.split().ok_or("fileName names the folder itself; name a file")?;
        let folder = self.folder.make(parents);
        let written = folder.and_then(|folder| folder.write(file, &decoded(data)));
        written.map_err(|error| match error.kind() {
            // It is not the file that is missed.
            ErrorKind::NotFound => Failure::Outside(format!("error creating file {name}: {error}")),
            _ => failed("creating file", name, &error),
        })?;
        Ok(serde_json::json!({ "fileName": name.to_string() }).to_string().into())
    }

    fn get(&self, name: &Name) -> Result<Bytes, Failure> {
        let (parents, file) = name.split().ok_or("fileName names the folder itself; name a file")?;
        let bytes = self.folder.find(parents).and_then(|folder| folder.read(file));
        bytes.map(Bytes::from).map_err(|error| failed("reading file", name, &error))
    }

    fn list(&self, name: &Name) -> Result<Bytes, Failure> {
        let failed = |error: Error| match error.kind() {
            ErrorKind::NotADirectory => {
                format!("unable to list files as the file specified is not a directory [{name}]").into()
            }
            _ => failed("listing files of", name, &error),
        };
        let files = self.folder.find(name.segments()).and_then(|folder| folder.files()).map_err(failed)?;
        let start = name.segments().iter().fold(self.path.clone(), |path, segment| path.join(segment));
        let files: Vec<String> =
            files.iter().map(|file| start.join(file).to_string_lossy().into_owned()).collect();
        serde_json::to_vec(&files).map(Bytes::from).map_err(|error| error.to_string().into())
    }

    fn delete(&self, name: &Name) -> Result<(), Failure> {
        let (parents, file) = name.split().ok_or("fileName names the folder itself; name a file")?;
        let removed = self.folder.find(parents).and_then(|folder| folder.remove(file));
        removed.map_err(|error| failed("deleting file", name, &error))
    }
}

/// The bytes to be written. As with Dapr, a text in quotes is taken out of them, and what is base64 is decoded.
fn decoded(data: Bytes) -> Bytes {
    let data = match serde_json::from_slice::<String>(&data) {
        Ok(text) => Bytes::from(text),
        Err(_) => data,
    };
    let encoded: Vec<u8> = data.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    BASE64.decode(encoded).map_or(data, Bytes::from)
}

/// What the system said, in few words. What the name leads to, or does not, is the caller's affair.
fn failed(doing: &str, name: &Name, error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::NotFound => format!("file not found: {name}").into(),
        ErrorKind::NotADirectory => {
            format!("error {doing} {name}: a part of its name is not a folder").into()
        }
        ErrorKind::IsADirectory => format!("error {doing} {name}: it is a folder").into(),
        // A bound of the folder's own.
        ErrorKind::Other => format!("error {doing} {name}: {error}").into(),
        _ => Failure::Outside(format!("error {doing} {name}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_once() {
        let request = |operation: &str, name: &str| Request {
            operation: operation.to_owned(),
            metadata: HashMap::from([(FILE_NAME.to_owned(), name.to_owned())]),
            ..Request::default()
        };
        let made_up = named(Request { operation: "create".to_owned(), ..Request::default() });
        assert_eq!(made_up.metadata[FILE_NAME].len(), 36);
        for (operation, name) in [("create", "a"), ("create", &made_up.metadata[FILE_NAME]), ("list", "")] {
            assert_eq!(named(request(operation, name)).metadata[FILE_NAME], name, "{operation}");
        }
    }
}
