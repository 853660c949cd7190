//! What the provider in memory takes up.

use bytes::Bytes;
use pillion_capabilities::blobstore::{BlobStore, Memory};
use pillion_capabilities::{Answer, Error, Result};

fn now<T>(answer: Answer<T>) -> Result<T> {
    match answer {
        Answer::Ready(result) => result,
        Answer::Pending(_) => panic!("it waits"),
    }
}

fn refused<T>(answer: Answer<T>) -> bool {
    matches!(now(answer), Err(Error::TooMuch { .. }))
}

#[test]
fn memory_is_bounded_by_its_room() {
    let room = 10_000 + 3 * Memory::OVERHEAD;
    let store = Memory::new(room);
    let bytes = |length: usize| Bytes::from(vec![7; length]);
    now(store.create_container("c")).unwrap();
    now(store.put("c", "o", bytes(9_000))).unwrap();
    assert!(refused(store.put("c", "p", bytes(1_001))));
    now(store.put("c", "p", bytes(1_000))).unwrap();
    assert_eq!(store.used(), room);
    assert!(refused(store.create_container("d")));
    assert!(refused(store.upload("c", "q")));

    // The one that is replaced takes up its room until the other one is there.
    assert!(refused(store.put("c", "o", bytes(1))));
    now(store.remove("c", "p")).unwrap();
    now(store.put("c", "o", bytes(500))).unwrap();
    assert_eq!(store.used(), 500 + 2 * Memory::OVERHEAD);

    // Nor does what is never finished stay.
    let mut upload = now(store.upload("c", "q")).unwrap();
    assert_eq!(now(upload.append(bytes(5_000))), Ok(5_000));
    assert!(refused(upload.append(bytes(5_000))));
    assert!(now(upload.finish()).is_err(), "there is a hole in it");
    let mut upload = now(store.upload("c", "q")).unwrap();
    now(upload.append(bytes(5_000))).unwrap();
    assert_eq!(store.used(), 5_500 + 3 * Memory::OVERHEAD);
    drop(upload);
    let mut upload = now(store.upload("c", "o")).unwrap();
    now(upload.append(bytes(9_000))).unwrap();
    now(upload.finish()).unwrap();
    assert_eq!(store.used(), 9_000 + 2 * Memory::OVERHEAD);
    now(store.remove("c", "o")).unwrap();
    now(store.remove_container("c")).unwrap();
    assert_eq!(store.used(), 0);
}
