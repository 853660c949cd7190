//! What every provider promises.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use pillion_capabilities::blobstore::{
    BlobInfo, LONGEST_NAME, LONGEST_PAGE, MOST_BYTES, MOST_UPLOADS, Operation, Page, Query, Range,
};
use pillion_capabilities::{Answer, Error};

use super::{Store, all, names};
use crate::providers::until;

/// Makes of each `async fn(Store)` a test per provider.
macro_rules! for_each_provider {
    ($($promise:ident),+ $(,)?) => {$(
        mod $promise {
            #[test]
            fn memory() {
                super::super::with_memory(super::$promise);
            }

            #[test]
            fn prefixed() {
                super::super::with_prefix(super::$promise);
            }

            #[test]
            fn files() {
                super::super::with_files(super::$promise);
            }
        }
    )+};
}

for_each_provider! {
    any_bytes_come_back_whole_and_in_parts,
    bad_arguments_are_refused,
    calls_are_counted,
    containers_come_and_go,
    downloads_keep_to_their_upload,
    half_an_upload_is_never_seen,
    lists_have_prefixes_and_pages,
    names_are_told_apart,
    readers_see_whole_objects_while_writers_write,
    readiness_is_as_said,
    too_much_is_refused,
    what_is_missing_is_said,
}

fn patient<T>(result: Result<T, Error>) -> T {
    result.unwrap()
}

async fn any_bytes_come_back_whole_and_in_parts(store: Store) {
    patient(store.create_container("c").wait().await);
    let before = SystemTime::now() - Duration::from_secs(3600);
    let every: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for bytes in [Bytes::new(), Bytes::from_static(b"\0"), every.into()] {
        let put = patient(store.put("c", "o", bytes.clone()).wait().await);
        assert_eq!((put.name.as_str(), put.size), ("o", bytes.len() as u64));
        assert!(put.changed.unwrap() > before);
        assert_eq!(store.info("c", "o").wait().await, Ok(Some(put)));
        assert_eq!(all(&*store, "c", "o").await, Some(bytes.clone()));

        let mut upload = patient(store.upload("c", "chunks").wait().await);
        let mut written = 0;
        for chunk in bytes.chunks(7_001) {
            written += chunk.len() as u64;
            assert_eq!(upload.append(Bytes::copy_from_slice(chunk)).wait().await, Ok(written));
        }
        assert_eq!(patient(upload.finish().wait().await).size, written);
        assert_eq!(all(&*store, "c", "chunks").await, Some(bytes.clone()));

        let download = store.download("c", "chunks").wait().await.unwrap().unwrap();
        assert_eq!((download.info().name.as_str(), download.info().size), ("chunks", written));
        let mut parts = Vec::new();
        while (parts.len() as u64) < written {
            let range = Range { start: parts.len() as u64, length: 6_007 };
            parts.extend_from_slice(&patient(download.read(range).wait().await));
        }
        assert_eq!(parts, bytes);

        let length = bytes.len() as u64;
        for (start, wanted) in
            [(0, 0), (0, 1), (length / 2, 10), (length, 1), (length + 9, 9), (u64::MAX, u64::MAX)]
        {
            let range = Range { start, length: wanted };
            let from = start.min(length) as usize;
            let to = start.saturating_add(wanted).min(length) as usize;
            let expected = bytes.slice(from..to);
            assert_eq!(store.get("c", "o", range).wait().await, Ok(Some(expected.clone())), "{range:?}");
            assert_eq!(download.read(range).wait().await, Ok(expected), "{range:?}");
        }
    }
}

async fn bad_arguments_are_refused(store: Store) {
    let long = "x".repeat(LONGEST_NAME + 1);
    let objects = ["", ".", "..", "/", "/x", "x/", "../x", "x/../y", "x//y", "x\0", "x\\y", "x\ny", &long];
    let containers = [&objects[..], &["x/y", ".x"]].concat();
    let range = Range::ALL;
    let mut refused = Vec::new();
    for name in &containers {
        refused.extend([
            (name, store.create_container(name).wait().await.map(drop)),
            (name, store.remove_container(name).wait().await.map(drop)),
            (name, store.container(name).wait().await.map(drop)),
            (name, store.list(name, Query::default()).wait().await.map(drop)),
            (name, store.put(name, "o", Bytes::new()).wait().await.map(drop)),
            (name, store.get(name, "o", range).wait().await.map(drop)),
        ]);
    }
    for name in &objects {
        refused.extend([
            (name, store.put("c", name, Bytes::new()).wait().await.map(drop)),
            (name, store.upload("c", name).wait().await.map(drop)),
            (name, store.get("c", name, range).wait().await.map(drop)),
            (name, store.download("c", name).wait().await.map(drop)),
            (name, store.info("c", name).wait().await.map(drop)),
            (name, store.remove("c", name).wait().await.map(drop)),
        ]);
    }
    for limit in [0, LONGEST_PAGE + 1] {
        let query = Query { limit, ..Query::default() };
        refused.push((&"limit", store.containers(query.clone()).wait().await.map(drop)));
        refused.push((&"limit", store.list("c", query).wait().await.map(drop)));
    }
    for (name, result) in refused {
        let Err(Error::InvalidArgument(said)) = &result else { panic!("{name:?}: {result:?}") };
        assert!(said.len() < 2 * LONGEST_NAME + 200, "{said}");
    }
    assert_eq!(patient(store.containers(Query::default()).wait().await).items, []);
}

async fn calls_are_counted(store: Store) {
    let bytes = Bytes::from_static(b"bytes");
    patient(store.create_container("c").wait().await);
    patient(store.containers(Query::default()).wait().await);
    patient(store.container("c").wait().await);
    patient(store.put("c", "o", bytes.clone()).wait().await);
    store.put("c", "..", bytes.clone()).wait().await.unwrap_err();
    let mut upload = patient(store.upload("c", "p").wait().await);
    patient(upload.append(bytes.clone()).wait().await);
    patient(upload.append(bytes).wait().await);
    patient(upload.finish().wait().await);
    patient(store.get("c", "o", Range::ALL).wait().await);
    let download = store.download("c", "o").wait().await.unwrap().unwrap();
    patient(download.read(Range::ALL).wait().await);
    patient(store.info("c", "o").wait().await);
    patient(store.list("c", Query::default()).wait().await);
    patient(store.remove("c", "o").wait().await);
    store.remove_container("c").wait().await.unwrap_err();
    for &operation in Operation::ALL {
        let expected = if matches!(operation, Operation::Put | Operation::UploadChunk) { 2 } else { 1 };
        assert_eq!(store.counters().of(operation), expected, "{}", operation.name());
    }
}

async fn containers_come_and_go(store: Store) {
    let before = SystemTime::now() - Duration::from_secs(3600);
    assert_eq!(store.container("c").wait().await, Ok(None));
    assert_eq!(store.remove_container("c").wait().await, Ok(false));
    assert_eq!(store.create_container("c").wait().await, Ok(true));
    assert_eq!(store.create_container("c").wait().await, Ok(false));
    let info = store.container("c").wait().await.unwrap().unwrap();
    assert_eq!(info.name, "c");
    assert!(info.changed.unwrap() > before);
    for name in ["b", "ba", "bb", "d"] {
        assert_eq!(store.create_container(name).wait().await, Ok(true));
    }
    let query = Query { prefix: "b".to_owned(), after: None, limit: 2 };
    let page = patient(store.containers(query.clone()).wait().await);
    assert_eq!(page.items.iter().map(|item| &item.name).collect::<Vec<_>>(), ["b", "ba"]);
    let page = patient(store.containers(Query { after: page.next, ..query }).wait().await);
    assert_eq!(page.items.iter().map(|item| &item.name).collect::<Vec<_>>(), ["bb"]);
    assert_eq!(page.next, None);

    let not_empty = Err(Error::NotEmpty { container: "c".to_owned() });
    let upload = patient(store.upload("c", "o").wait().await);
    assert_eq!(store.remove_container("c").wait().await, not_empty, "an upload is under way");
    patient(upload.finish().wait().await);
    assert_eq!(store.remove_container("c").wait().await, not_empty);
    assert_eq!(store.remove("c", "o").wait().await, Ok(true));
    drop(store.upload("c", "o").wait().await.unwrap());
    until("the dropped upload is gone", async || store.remove_container("c").wait().await == Ok(true)).await;
    assert_eq!(store.container("c").wait().await, Ok(None));
    assert_eq!(store.create_container("c").wait().await, Ok(true));
    assert_eq!(names(&*store, "c", "", 10).await, Vec::<String>::new());
}

async fn downloads_keep_to_their_upload(store: Store) {
    patient(store.create_container("c").wait().await);
    patient(store.put("c", "o", vec![1; 10_000].into()).wait().await);
    let download = store.download("c", "o").wait().await.unwrap().unwrap();
    let first = patient(download.read(Range { start: 0, length: 10 }).wait().await);
    patient(store.put("c", "o", vec![2; 20_000].into()).wait().await);
    let rest = patient(download.read(Range { start: 10, length: u64::MAX }).wait().await);
    assert_eq!([first, rest].concat(), vec![1; 10_000]);
    assert_eq!(store.remove("c", "o").wait().await, Ok(true));
    assert_eq!(patient(download.read(Range::ALL).wait().await), vec![1; 10_000]);
    assert_eq!(download.info().size, 10_000);
}

async fn half_an_upload_is_never_seen(store: Store) {
    patient(store.create_container("c").wait().await);
    for before in [None, Some(Bytes::from_static(b"before"))] {
        if let Some(before) = &before {
            patient(store.put("c", "o", before.clone()).wait().await);
        }
        let expected: &[&str] = if before.is_some() { &["o"] } else { &[] };
        let mut dropped = patient(store.upload("c", "o").wait().await);
        let mut upload = patient(store.upload("c", "o").wait().await);
        for _ in 0..3 {
            patient(dropped.append(Bytes::from_static(b"dropped")).wait().await);
            patient(upload.append(Bytes::from_static(b"part")).wait().await);
            assert_eq!(all(&*store, "c", "o").await, before);
            assert_eq!(names(&*store, "c", "", 10).await, expected);
        }
        drop(dropped);
        assert_eq!(all(&*store, "c", "o").await, before);
        patient(upload.finish().wait().await);
        assert_eq!(all(&*store, "c", "o").await.unwrap(), "partpartpart");
        assert_eq!(names(&*store, "c", "", 10).await, ["o"]);
        assert_eq!(store.remove("c", "o").wait().await, Ok(true));
        assert_eq!(store.remove("c", "o").wait().await, Ok(false));
    }
    until("nothing of the uploads is left", async || store.remove_container("c").wait().await == Ok(true))
        .await;
}

async fn lists_have_prefixes_and_pages(store: Store) {
    patient(store.create_container("c").wait().await);
    patient(store.create_container("d").wait().await);
    patient(store.put("d", "elsewhere", Bytes::new()).wait().await);
    let mut objects: Vec<String> = (0..25).map(|number| format!("a/{number:02}")).collect();
    objects.extend(["a", "a-", "a0", "b", ".b", "ключ"].map(str::to_owned));
    for object in objects.iter().rev() {
        patient(store.put("c", object, object.clone().into()).wait().await);
    }
    objects.sort();
    for limit in [1, 2, 7, 31, LONGEST_PAGE] {
        assert_eq!(names(&*store, "c", "", limit).await, objects);
        for prefix in ["a", "a/", "a/1", "a/13", "b", "к", "z", "/", ".."] {
            let expected: Vec<_> = objects.iter().filter(|name| name.starts_with(prefix)).collect();
            assert_eq!(names(&*store, "c", prefix, limit).await.iter().collect::<Vec<_>>(), expected);
        }
    }
    let page: Page<BlobInfo> = patient(store.list("c", Query::default()).wait().await);
    for item in page.items {
        assert_eq!(store.info("c", &item.name).wait().await, Ok(Some(item)));
    }
    // Going on behind a name that is gone meanwhile.
    patient(store.remove("c", "a/07").wait().await);
    let query = Query { prefix: "a/".to_owned(), after: Some("a/07".to_owned()), limit: 1 };
    assert_eq!(patient(store.list("c", query).wait().await).items[0].name, "a/08");
}

async fn names_are_told_apart(store: Store) {
    let long = "x".repeat(LONGEST_NAME);
    let objects = [
        "a", "A", "a/b", "a/b/c", "a.b", "a..b", "...", ".a", " ", "a ", "a/ b", "100%", "%2e%2e", "a%2Fb",
        "-rf", "ключ", "\u{2215}", "upload-1", "~", "*", &long,
    ];
    for container in ["c", "C", "c ", "..."] {
        if container == "..." {
            store.create_container(container).wait().await.unwrap_err();
            continue;
        }
        patient(store.create_container(container).wait().await);
        for object in objects {
            let bytes = format!("{container}:{object}");
            patient(store.put(container, object, bytes.into()).wait().await);
        }
    }
    for container in ["c", "C", "c "] {
        for object in objects {
            assert_eq!(all(&*store, container, object).await.unwrap(), format!("{container}:{object}"));
        }
        let mut sorted = objects.map(str::to_owned);
        sorted.sort();
        assert_eq!(names(&*store, container, "", 5).await, sorted);
        for object in objects {
            assert_eq!(store.remove(container, object).wait().await, Ok(true), "{object}");
        }
        assert_eq!(store.remove_container(container).wait().await, Ok(true));
    }
}

async fn readers_see_whole_objects_while_writers_write(store: Store) {
    patient(store.create_container("c").wait().await);
    patient(store.put("c", "o", vec![0; 1000].into()).wait().await);
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (1..=4_u8)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..25_usize {
                    let bytes = Bytes::from(vec![writer; 1000 * usize::from(writer)]);
                    if round % 2 == 0 {
                        store.put("c", "o", bytes).wait().await.unwrap();
                    } else {
                        let mut upload = store.upload("c", "o").wait().await.unwrap();
                        for part in 0..10 {
                            let tenth = bytes.len() / 10;
                            upload
                                .append(bytes.slice(part * tenth..(part + 1) * tenth))
                                .wait()
                                .await
                                .unwrap();
                        }
                        upload.finish().wait().await.unwrap();
                    }
                }
            })
        })
        .collect();
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let bytes = all(&*store, "c", "o").await.unwrap();
                    let writer = bytes[0];
                    assert!(bytes.iter().all(|&byte| byte == writer), "bytes of two uploads");
                    assert_eq!(bytes.len(), 1000 * usize::from(writer.max(1)));
                    assert_eq!(names(&*store, "c", "", 10).await, ["o"]);
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        reader.await.unwrap();
    }
}

async fn readiness_is_as_said(store: Store) {
    assert_eq!(store.always_ready(), store.name() == "memory");
    let ready = store.always_ready();
    let answer = store.create_container("c");
    assert_eq!(matches!(answer, Answer::Ready(_)), ready);
    patient(answer.wait().await);
    let answer = store.upload("c", "o");
    assert_eq!(matches!(answer, Answer::Ready(_)), ready);
    let mut upload = patient(answer.wait().await);
    let answer = upload.append("bytes".into());
    assert_eq!(matches!(answer, Answer::Ready(_)), ready);
    patient(answer.wait().await);
    let answer = upload.finish();
    assert_eq!(matches!(answer, Answer::Ready(_)), ready);
    patient(answer.wait().await);
}

async fn too_much_is_refused(store: Store) {
    patient(store.create_container("c").wait().await);
    let most = usize::try_from(MOST_BYTES).unwrap();
    patient(store.put("c", "o", vec![7; most + 1].into()).wait().await);
    let download = store.download("c", "o").wait().await.unwrap().unwrap();
    for range in [Range::ALL, Range { start: 0, length: MOST_BYTES + 1 }] {
        let error = store.get("c", "o", range).wait().await.unwrap_err();
        assert!(matches!(error, Error::TooMuch { most: MOST_BYTES, .. }), "{error:?}");
        assert_eq!(download.read(range).wait().await, Err(error));
    }
    let nearly = Range { start: 1, length: u64::MAX };
    assert_eq!(patient(store.get("c", "o", nearly).wait().await).unwrap().len(), most);
    assert_eq!(patient(download.read(nearly).wait().await).len(), most);

    let mut uploads = Vec::new();
    for number in 0..MOST_UPLOADS {
        uploads.push(patient(store.upload("c", &number.to_string()).wait().await));
    }
    let error = store.upload("c", "one more").wait().await.map(drop).unwrap_err();
    assert!(matches!(error, Error::TooMuch { .. }), "{error:?}");
    drop(uploads.pop());
    patient(uploads.pop().unwrap().finish().wait().await);
    let again = [store.upload("c", "one").wait().await, store.upload("c", "two").wait().await];
    assert!(again.iter().all(Result::is_ok));
    assert!(store.upload("c", "three").wait().await.is_err());
}

async fn what_is_missing_is_said(store: Store) {
    let range = Range::ALL;
    let missing = [
        store.put("c", "o", Bytes::new()).wait().await.map(drop),
        store.upload("c", "o").wait().await.map(drop),
        store.get("c", "o", range).wait().await.map(drop),
        store.download("c", "o").wait().await.map(drop),
        store.info("c", "o").wait().await.map(drop),
        store.list("c", Query::default()).wait().await.map(drop),
        store.remove("c", "o").wait().await.map(drop),
    ];
    for (number, result) in missing.into_iter().enumerate() {
        let Err(error @ Error::NotFound { .. }) = result else { panic!("{number}: {result:?}") };
        assert!(error.to_string().contains("container c"), "{error}");
    }
    patient(store.create_container("c").wait().await);
    assert_eq!(store.get("c", "o", range).wait().await, Ok(None));
    assert!(store.download("c", "o").wait().await.unwrap().is_none());
    assert_eq!(store.info("c", "o").wait().await, Ok(None));
    assert_eq!(store.remove("c", "o").wait().await, Ok(false));
    // An object is no folder of others.
    patient(store.put("c", "a/b", Bytes::new()).wait().await);
    assert_eq!(store.get("c", "a", range).wait().await, Ok(None));
}
