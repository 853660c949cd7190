//! Calls chosen at random, with hostile names among them: each answer is a plain model's, and nothing outside the
//! root folder is ever read or written.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Component, Path};

use bytes::Bytes;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use pillion_capabilities::blobstore::{BlobStore, Files, Memory, Query, Range};
use pillion_capabilities::{Error, Result};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use super::{ROOM, names};
use crate::providers::{runtime, until};

#[derive(Clone, Debug)]
enum Step {
    Create(String),
    RemoveContainer(String),
    Put(String, String, Bytes),
    Upload(String, String, Vec<Bytes>, bool),
    Get(String, String, u64, u64),
    Download(String, String, u64, u64),
    Info(String, String),
    List(String, String, usize),
    Remove(String, String),
}

/// The containers and their objects, as plainly as they can be held.
type Model = BTreeMap<String, BTreeMap<String, Bytes>>;

const SECRET: &str = "what nobody may read";

#[test]
fn memory_is_as_the_model() {
    let runtime = runtime();
    hold(400, |steps| {
        runtime.block_on(async {
            let store = Memory::new(ROOM);
            store.create_container("c").wait().await.unwrap();
            check(&store, steps).await
        })
    });
}

#[test]
fn files_are_as_the_model_and_nothing_outside_the_root_is_touched() {
    let runtime = runtime();
    hold(150, |steps| {
        let directory = TempDir::new().unwrap();
        let (root, outside) = (directory.path().join("root"), directory.path().join("outside"));
        fs::create_dir_all(root.join("c")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), SECRET).unwrap();
        // Every link leads out of the root: as containers, and as objects of container `c`.
        symlink(&outside, root.join("link")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("../../outside/secret", root.join("c/link")).unwrap();
        symlink(outside.join("secret"), root.join("c/absolute")).unwrap();
        symlink(outside.join("new"), root.join("c/dangling")).unwrap();
        symlink("../..", root.join("c/up")).unwrap();
        mkfifo(&root.join("c/pipe"), Mode::S_IRWXU).unwrap();

        runtime.block_on(async {
            let store = Files::open(&root).unwrap();
            check(&store, steps).await?;
            for container in ["link", "up"] {
                prop_assert_eq!(store.container(container).wait().await, Ok(None));
                prop_assert!(store.create_container(container).wait().await.is_err());
                prop_assert_eq!(store.remove_container(container).wait().await, Ok(false));
                let put = store.put(container, "secret", "overwritten".into()).wait().await;
                prop_assert!(matches!(put, Err(Error::NotFound { .. })), "{put:?}");
                let got = store.get(container, "secret", Range::ALL).wait().await;
                prop_assert!(matches!(got, Err(Error::NotFound { .. })), "{got:?}");
            }
            Ok(())
        })?;
        let found = |path: &Path| {
            let mut names: Vec<_> =
                fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        prop_assert_eq!(found(directory.path()), ["outside", "root"]);
        prop_assert_eq!(found(&outside), ["secret"]);
        prop_assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), SECRET);
        Ok(())
    });
}

fn hold(cases: u32, test: impl Fn(Vec<Step>) -> Result<(), TestCaseError>) {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner.run(&prop::collection::vec(step(), 1..30), test).unwrap();
}

async fn check(store: &dyn BlobStore, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut model = Model::from([("c".to_owned(), BTreeMap::new())]);
    for step in steps {
        let said = format!("{step:?}");
        let (found, expected) = take(store, &mut model, step).await;
        prop_assert!(!found.as_ref().is_ok_and(|found| found.contains(SECRET)), "{}", said);
        prop_assert_eq!(found, expected, "{}", said);
    }
    for (container, objects) in &model {
        prop_assert_eq!(&names(store, container, "", 3).await, &objects.keys().cloned().collect::<Vec<_>>());
    }
    Ok(())
}

/// Takes a step at the provider and the model, and answers what each said, as text.
async fn take(
    store: &dyn BlobStore,
    model: &mut Model,
    step: Step,
) -> (Result<String, Fault>, Result<String, Fault>) {
    match step {
        Step::Create(name) => {
            let expected = container_name(&name).map(|()| {
                let new = !model.contains_key(&name);
                model.entry(name.clone()).or_default();
                new.to_string()
            });
            (said(store.create_container(&name).wait().await), expected)
        }
        Step::RemoveContainer(name) => {
            let expected = container_name(&name).and_then(|()| match model.get(&name) {
                Some(objects) if !objects.is_empty() => Err(Fault::NotEmpty),
                _ => Ok(model.remove(&name).is_some().to_string()),
            });
            let found = RefCell::new(Err(Fault::NotEmpty));
            // An upload that was dropped a moment ago may still be about to go.
            until("the container is as empty as the model's", async || {
                let removed = said(store.remove_container(&name).wait().await);
                let again = removed == Err(Fault::NotEmpty) && expected.is_ok();
                *found.borrow_mut() = removed;
                !again
            })
            .await;
            (found.into_inner(), expected)
        }
        Step::Put(container, object, bytes) => {
            let expected = held(model, &container, &object).map(|objects| {
                objects.insert(object.clone(), bytes.clone());
                bytes.len().to_string()
            });
            let put = store.put(&container, &object, bytes).wait().await;
            (said(put.map(|info| info.size)), expected)
        }
        Step::Upload(container, object, chunks, finish) => {
            let whole = chunks.concat();
            let expected = held(model, &container, &object).map(|objects| {
                if finish {
                    objects.insert(object.clone(), whole.clone().into());
                }
                whole.len().to_string()
            });
            let uploaded = async {
                let mut upload = store.upload(&container, &object).wait().await?;
                let mut size = 0;
                for chunk in chunks {
                    size = upload.append(chunk).wait().await?;
                }
                if finish {
                    size = upload.finish().wait().await?.size;
                }
                Ok(size)
            };
            (said(uploaded.await), expected)
        }
        Step::Get(container, object, start, length) => {
            let expected =
                held(model, &container, &object).map(|objects| part(objects.get(&object), start, length));
            let got = store.get(&container, &object, Range { start, length }).wait().await;
            (got.map(|bytes| format!("{bytes:?}")).map_err(Fault::from), expected)
        }
        Step::Download(container, object, start, length) => {
            let expected =
                held(model, &container, &object).map(|objects| part(objects.get(&object), start, length));
            let read = async {
                match store.download(&container, &object).wait().await? {
                    Some(download) => Ok(Some(download.read(Range { start, length }).wait().await?)),
                    None => Ok(None),
                }
            };
            (
                read.await
                    .map(|bytes: Option<Bytes>| format!("{bytes:?}"))
                    .map_err(|error: Error| error.into()),
                expected,
            )
        }
        Step::Info(container, object) => {
            let expected = held(model, &container, &object)
                .map(|objects| format!("{:?}", objects.get(&object).map(|bytes| bytes.len() as u64)));
            let info = store.info(&container, &object).wait().await;
            (info.map(|info| format!("{:?}", info.map(|info| info.size))).map_err(Fault::from), expected)
        }
        Step::List(container, prefix, limit) => {
            let expected = held(model, &container, "any").map(|objects| {
                let names = objects.keys().filter(|name| name.starts_with(&prefix));
                format!("{:?}", names.take(limit).collect::<Vec<_>>())
            });
            let list = store.list(&container, Query { prefix, after: None, limit }).wait().await;
            let names = list.map(|page| page.items.into_iter().map(|item| item.name).collect::<Vec<_>>());
            (names.map(|names| format!("{names:?}")).map_err(Fault::from), expected)
        }
        Step::Remove(container, object) => {
            let expected =
                held(model, &container, &object).map(|objects| objects.remove(&object).is_some().to_string());
            (said(store.remove(&container, &object).wait().await), expected)
        }
    }
}

/// The kinds of errors that the model knows.
#[derive(Debug, PartialEq)]
enum Fault {
    Argument,
    NotFound,
    NotEmpty,
    Other(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidArgument(_) => Self::Argument,
            Error::NotFound { .. } => Self::NotFound,
            Error::NotEmpty { .. } => Self::NotEmpty,
            other => Self::Other(other),
        }
    }
}

fn said<T: ToString>(result: Result<T>) -> Result<String, Fault> {
    result.map(|value| value.to_string()).map_err(Fault::from)
}

fn part(bytes: Option<&Bytes>, start: u64, length: u64) -> String {
    let part = bytes.map(|bytes| {
        let part: Vec<u8> = bytes.iter().copied().skip(start as usize).take(length as usize).collect();
        Bytes::from(part)
    });
    format!("{part:?}")
}

fn held<'a>(
    model: &'a mut Model,
    container: &str,
    object: &str,
) -> Result<&'a mut BTreeMap<String, Bytes>, Fault> {
    container_name(container)?;
    object_name(object)?;
    model.get_mut(container).ok_or(Fault::NotFound)
}

fn container_name(name: &str) -> Result<(), Fault> {
    object_name(name)?;
    if name.contains('/') || name.starts_with('.') { Err(Fault::Argument) } else { Ok(()) }
}

/// What the contract says of names, in the terms of the standard library's paths.
fn object_name(name: &str) -> Result<(), Fault> {
    let plain = |component: Component<'_>| match component {
        Component::Normal(segment) => segment.to_str().map(str::to_owned),
        _ => None,
    };
    let segments: Option<Vec<_>> = Path::new(name).components().map(plain).collect();
    let same = segments.is_some_and(|segments| segments.join("/") == name);
    let fine = same && !name.is_empty() && name.len() <= 255 && !name.contains('\\');
    if fine && !name.chars().any(char::is_control) { Ok(()) } else { Err(Fault::Argument) }
}

fn step() -> impl Strategy<Value = Step> {
    let pieces = [
        "..",
        ".",
        "/",
        "\\",
        "\0",
        "a",
        "c",
        "outside",
        "secret",
        "root",
        "etc/passwd",
        "%2e%2e",
        "%00",
        "\u{2215}",
        "~",
        "$HOME",
        "\n",
        "link",
        "up",
        "upload-",
    ];
    let hostile =
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..7).prop_map(|pieces| pieces.concat());
    let known = |names: &[&'static str]| prop::sample::select(names.to_vec()).prop_map(str::to_owned);
    // `c` holds links that the model does not know of, so it is never removed.
    let others = || prop_oneof![6 => known(&["d", "e"]), 1 => Just("../outside".to_owned()), 1 => Just("/".to_owned())];
    let containers = {
        let hostile = hostile.clone();
        // What is made of those pieces may be the name of a link that stands where a container would.
        let hostile = hostile.prop_filter("is a link", |name| !matches!(&**name, "link" | "up"));
        move || prop_oneof![6 => known(&["c"]), 3 => known(&["d", "e"]), 1 => hostile.clone()]
    };
    let objects = {
        let plain = ["a", "a/b", "a/b/c", "b", ".hidden", "link", "absolute", "dangling", "up", "pipe"];
        move || prop_oneof![4 => known(&plain), 1 => hostile.clone()]
    };
    let bytes = || prop::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from);
    let object = || (containers(), objects());
    prop_oneof![
        containers().prop_map(Step::Create),
        others().prop_map(Step::RemoveContainer),
        (object(), bytes()).prop_map(|((c, o), b)| Step::Put(c, o, b)),
        (object(), prop::collection::vec(bytes(), 0..4), any::<bool>())
            .prop_map(|((c, o), chunks, finish)| Step::Upload(c, o, chunks, finish)),
        (object(), 0..20_u64, 0..20_u64).prop_map(|((c, o), s, l)| Step::Get(c, o, s, l)),
        (object(), 0..20_u64, 0..20_u64).prop_map(|((c, o), s, l)| Step::Download(c, o, s, l)),
        object().prop_map(|(c, o)| Step::Info(c, o)),
        (containers(), objects(), 1..5_usize).prop_map(|(c, prefix, limit)| Step::List(c, prefix, limit)),
        object().prop_map(|(c, o)| Step::Remove(c, o)),
    ]
}
