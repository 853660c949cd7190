//! What happens to the file of the durable provider.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use futures_util::future::join_all;
use pillion_capabilities::keyvalue::{KeyValue, SetOptions, When};
use pillion_capabilities::{Error, Redb};
use tempfile::TempDir;

use crate::children::{LIMITED, acknowledge, child, place};
use crate::providers::runtime;

#[test]
#[ignore = "writes for ever; acknowledged_changes_survive_kill_9 starts and kills it"]
fn write_for_ever() {
    runtime().block_on(async {
        let store = Redb::open(place()).unwrap();
        for round in 0_u64.. {
            // Several at a time, so that commits hold more than one change.
            join_all((0..8).map(|lane| {
                let store = &store;
                async move {
                    let key = format!("key {lane}");
                    store.set(&key, round.to_string().into(), SetOptions::default()).wait().await.unwrap();
                    acknowledge(&format!("{lane} {round}"));
                    store.add("sum", 1).wait().await.unwrap();
                }
            }))
            .await;
        }
    });
}

#[test]
fn acknowledged_changes_survive_kill_9() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.redb");
    let mut sum = 0;
    for kills in 1..=3 {
        let mut writer = child("redb_file::write_for_ever", &path, &[])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stderr.take().unwrap()).lines();
        let mut acknowledged = BTreeMap::new();
        let mut note = |line: String| {
            let numbers = line.strip_prefix("acknowledged ").expect(&line).split(' ');
            let [lane, round] = numbers.map(|number| number.parse::<u64>().unwrap()).collect::<Vec<_>>()[..]
            else {
                panic!("{line}")
            };
            acknowledged.insert(lane, round);
        };
        for _ in 0..100 * kills {
            note(lines.next().expect("the writer ended").unwrap());
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        // The last line may be cut short, and all whole ones count.
        lines.map_while(Result::ok).filter(|line| line.split(' ').count() == 3).for_each(note);

        runtime().block_on(async {
            let store = Redb::open(&path).unwrap();
            assert_eq!(acknowledged.len(), 8);
            for (lane, round) in &acknowledged {
                let entry = store.get(&format!("key {lane}")).wait().await.unwrap().unwrap();
                let found: u64 = std::str::from_utf8(&entry.value).unwrap().parse().unwrap();
                // A change may have been committed whose caller was not told any more.
                assert!(
                    found == *round || found == round + 1,
                    "lane {lane}: {round} was acknowledged, {found} is there"
                );
            }
            let before = sum;
            sum = store.add("sum", 0).wait().await.unwrap();
            assert!(sum > before);
        });
    }
}

#[test]
fn a_file_keeps_everything_and_is_locked() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.redb");
    runtime().block_on(async {
        let store = Redb::open(&path).unwrap();
        let etag = store.set("k", "v".into(), SetOptions::default()).wait().await.unwrap();
        store.list_push("l", "item".into()).wait().await.unwrap();
        store.set_add("s", "member".into()).wait().await.unwrap();
        store.delete("k", When::Matches(etag)).wait().await.unwrap();

        let error = Redb::open(&path).unwrap_err();
        assert!(error.to_string().contains("store.redb"), "{error}");
        drop(store);

        let store = Redb::open(&path).unwrap();
        assert_eq!(store.list_range("l", 0, -1).wait().await.unwrap(), ["item"]);
        assert_eq!(store.set_members("s").wait().await.unwrap(), ["member"]);
        let anew = store.set("k", "v".into(), SetOptions::default()).wait().await.unwrap();
        assert!(anew > etag, "an etag must not come back after the file was closed");
    });
}

#[test]
fn a_file_of_something_else_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("notes.txt");
    std::fs::write(&path, "shopping list".repeat(1000)).unwrap();
    let error = Redb::open(&path).unwrap_err();
    assert!(matches!(error, Error::Failed { .. }) && error.to_string().contains("notes.txt"), "{error}");
    let error = Redb::open(directory.path().join("no/such/directory")).unwrap_err();
    assert!(error.to_string().contains("no/such/directory"), "{error}");
}

#[test]
#[ignore = "needs a limit on the size of its file; a_full_disk_is_told_and_survived starts it"]
fn write_until_full() {
    runtime().block_on(async {
        let store = Redb::open(place()).unwrap();
        let value = vec![7; 64 << 10];
        let mut written = 0;
        let error = loop {
            match store
                .set(&format!("key {written}"), value.clone().into(), SetOptions::default())
                .wait()
                .await
            {
                Ok(_) => written += 1,
                Err(error) => break error,
            }
            assert!(written < 10_000, "the limit does not hold");
        };
        assert!(matches!(error, Error::Failed { .. }), "{error:?}");
        assert!(error.to_string().contains("File too large"), "{error}");
        assert!(written > 0);

        // What was acknowledged is there, what failed is not, and with room made, changes work again.
        assert!(!store.exists(&format!("key {written}")).wait().await.unwrap());
        for number in 0..written {
            assert_eq!(store.get(&format!("key {number}")).wait().await.unwrap().unwrap().value, value);
        }
        store.delete("key 0", When::Always).wait().await.unwrap();
        store.set("small", "v".into(), SetOptions::default()).wait().await.unwrap();
        acknowledge(&written.to_string());
    });
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.redb");
    let output = child("redb_file::write_until_full", &path, &LIMITED).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    let written: u64 =
        said.lines().find_map(|line| line.strip_prefix("acknowledged ")).expect(&said).parse().unwrap();
    runtime().block_on(async {
        let store = Redb::open(&path).unwrap();
        assert!(!store.exists("key 0").wait().await.unwrap());
        for number in 1..written {
            assert_eq!(
                store.get(&format!("key {number}")).wait().await.unwrap().unwrap().value.len(),
                64 << 10
            );
        }
        assert_eq!(store.get("small").wait().await.unwrap().unwrap().value, "v");
    });
}
