//! What happens on the disk.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use pillion_capabilities::Error;
use pillion_capabilities::blobstore::{BlobStore, Files, Range};
use tempfile::TempDir;

use super::{all, names};
use crate::children::{LIMITED, acknowledge, child, place};
use crate::providers::{runtime, until};

fn on_disk(folder: &Path) -> Vec<String> {
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().to_string_lossy().into_owned();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

/// A file whose name begins with a backslash, which is no separator here.
fn under(folder: &Path, name: &str) -> PathBuf {
    folder.join(name)
}

#[test]
fn other_programs_read_and_write_the_same_files() {
    let directory = TempDir::new().unwrap();
    runtime().block_on(async {
        let store = Files::open(directory.path()).unwrap();
        store.create_container("c").wait().await.unwrap();
        store.put("c", "a.txt", "ours".into()).wait().await.unwrap();
        let folder = directory.path().join("c");
        assert_eq!(fs::read_to_string(folder.join("a.txt")).unwrap(), "ours");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
        assert_eq!((mode(&folder), mode(&folder.join("a.txt"))), (0, 0), "others may look into it");

        fs::write(folder.join("b.txt"), "theirs").unwrap();
        assert_eq!(all(&store, "c", "b.txt").await.unwrap(), "theirs");
        fs::create_dir(directory.path().join("d")).unwrap();
        assert!(store.container("d").wait().await.unwrap().is_some());

        // Names that no object has are not there, and nor is what is no file.
        fs::write(folder.join(std::ffi::OsStr::from_bytes(b"not \xff text")), "").unwrap();
        fs::write(folder.join("line\nbreak"), "").unwrap();
        fs::write(under(&folder, "\\absolute"), "").unwrap();
        fs::create_dir(folder.join("folder")).unwrap();
        fs::write(folder.join("folder/within"), "").unwrap();
        mkfifo(&folder.join("pipe"), Mode::S_IRWXU).unwrap();
        symlink("a.txt", folder.join("link")).unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        assert_eq!(names(&store, "c", "", 1).await, ["a.txt", "b.txt"]);
        for name in ["folder", "folder/within", "pipe", "link"] {
            assert_eq!(store.get("c", name, Range::ALL).wait().await, Ok(None), "{name}");
            assert!(store.download("c", name).wait().await.unwrap().is_none(), "{name}");
            assert_eq!(store.info("c", name).wait().await, Ok(None), "{name}");
            assert_eq!(store.remove("c", name).wait().await, Ok(false), "{name}");
        }
        assert_eq!(store.container("file").wait().await, Ok(None));
        assert_eq!(store.remove_container("file").wait().await, Ok(false));
        assert!(store.create_container("file").wait().await.is_err());

        let error = store.put("c", "folder", "bytes".into()).wait().await.unwrap_err();
        assert!(matches!(&error, Error::Failed { reason, .. } if reason.contains("folder")), "{error:?}");
        store.put("c", "link", "ours".into()).wait().await.unwrap();
        store.put("c", "a.txt", "new".into()).wait().await.unwrap();
        assert_eq!(all(&store, "c", "link").await.unwrap(), "ours", "the link was followed");
    });
}

#[test]
fn a_root_that_is_not_there_is_named() {
    let directory = TempDir::new().unwrap();
    let missing = directory.path().join("missing");
    assert!(matches!(Files::open(&missing), Err(Error::InvalidArgument(_))), "outside a runtime");
    runtime().block_on(async {
        fs::write(directory.path().join("file"), "").unwrap();
        for path in [missing, directory.path().join("file")] {
            let error = Files::open(&path).unwrap_err();
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
    });
}

#[test]
fn a_root_that_is_moved_is_still_the_root() {
    let directory = TempDir::new().unwrap();
    let [root, moved] = ["root", "moved"].map(|name| directory.path().join(name));
    fs::create_dir(&root).unwrap();
    runtime().block_on(async {
        let store = Files::open(&root).unwrap();
        fs::rename(&root, &moved).unwrap();
        symlink("/", &root).unwrap();
        store.create_container("c").wait().await.unwrap();
        store.put("c", "o", "bytes".into()).wait().await.unwrap();
        assert_eq!(fs::read_to_string(moved.join("c/o")).unwrap(), "bytes");
    });
}

#[test]
fn uploads_that_ended_without_a_word_are_cleared_away_and_no_others() {
    let directory = TempDir::new().unwrap();
    let folder = directory.path().join("c");
    fs::create_dir(&folder).unwrap();
    for name in ["\\upload-dead", "\\upload-alive", "\\other"] {
        fs::write(folder.join(name), "half").unwrap();
    }
    let alive = fs::File::open(under(&folder, "\\upload-alive")).unwrap();
    let alive = Flock::lock(alive, FlockArg::LockExclusive).unwrap();
    runtime().block_on(async {
        let store = Files::open(directory.path()).unwrap();
        assert_eq!(names(&store, "c", "", 10).await, Vec::<String>::new());
        store.put("c", "o", "bytes".into()).wait().await.unwrap();
        assert_eq!(on_disk(&folder), ["\\other", "\\upload-alive", "o"]);
        store.remove("c", "o").wait().await.unwrap();
        fs::remove_file(under(&folder, "\\other")).unwrap();
        assert!(matches!(store.remove_container("c").wait().await, Err(Error::NotEmpty { .. })));
        drop(alive);
        assert_eq!(store.remove_container("c").wait().await, Ok(true));
    });
}

#[test]
#[ignore = "uploads for ever; kill_9_leaves_whole_objects_or_none starts and kills it"]
fn upload_for_ever() {
    runtime().block_on(async {
        let store = Files::open(place()).unwrap();
        store.create_container("c").wait().await.unwrap();
        for round in 0_u64.. {
            let chunk = vec![round as u8; 1000];
            let mut upload = store.upload("c", "o").wait().await.unwrap();
            for _ in 0..10 {
                upload.append(chunk.clone().into()).wait().await.unwrap();
            }
            upload.finish().wait().await.unwrap();
            acknowledge(&round.to_string());
        }
    });
}

#[test]
fn kill_9_leaves_whole_objects_or_none() {
    let directory = TempDir::new().unwrap();
    for kills in 1..=5 {
        let mut writer = child("blobstore::files::upload_for_ever", directory.path(), &[])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stderr.take().unwrap()).lines();
        for _ in 0..7 * kills {
            lines.next().expect("the writer ended").unwrap();
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        let last = lines.map_while(Result::ok).count() as u64 + 7 * kills - 1;
        runtime().block_on(async {
            let store = Files::open(directory.path()).unwrap();
            let bytes = all(&store, "c", "o").await.unwrap();
            assert_eq!(bytes.len(), 10_000);
            assert!(bytes.iter().all(|byte| *byte == bytes[0]), "bytes of two uploads");
            // The last line may be cut short, and an upload finished whose writer was not told any more.
            let off = bytes[0].wrapping_sub(last as u8);
            assert!(matches!(off, 0 | 1 | u8::MAX), "{last} was acknowledged, {} is there", bytes[0]);
            assert_eq!(names(&store, "c", "", 10).await, ["o"]);
            store.put("c", "o", bytes).wait().await.unwrap();
        });
        assert_eq!(on_disk(&directory.path().join("c")), ["o"]);
    }
}

#[test]
fn a_runtime_that_is_gone_is_said_and_leaves_no_halves() {
    let directory = TempDir::new().unwrap();
    let (store, upload) = runtime().block_on(async {
        let store = Files::open(directory.path()).unwrap();
        store.create_container("c").wait().await.unwrap();
        let upload = store.upload("c", "o").wait().await.unwrap();
        (store, upload)
    });
    runtime().block_on(async {
        for result in [
            store.put("c", "o", "bytes".into()).wait().await.map(drop),
            store.info("c", "o").wait().await.map(drop),
        ] {
            assert!(matches!(result, Err(Error::Failed { .. })), "{result:?}");
        }
        drop(upload);
        assert_eq!(on_disk(&directory.path().join("c")), Vec::<String>::new());
    });
}

#[test]
#[ignore = "needs a limit on the size of files; a_full_disk_is_told_and_survived starts it"]
fn upload_until_full() {
    runtime().block_on(async {
        let store = Files::open(place()).unwrap();
        store.put("c", "o", "before".into()).wait().await.unwrap();
        let mut upload = store.upload("c", "o").wait().await.unwrap();
        let chunk = vec![7; 1 << 20];
        let mut written = 0;
        let error = loop {
            match upload.append(chunk.clone().into()).wait().await {
                Ok(size) => written = size,
                Err(error) => break error,
            }
            assert!(written < 1 << 30, "the limit does not hold");
        };
        assert!(error.to_string().contains("File too large"), "{error}");
        assert!(written > 0);
        // With a hole in it, it cannot go on.
        assert!(upload.append("small".into()).wait().await.is_err());
        assert!(upload.finish().wait().await.is_err());
        assert!(store.put("c", "p", vec![7; 100 << 20].into()).wait().await.is_err());
        assert_eq!(all(&store, "c", "o").await.unwrap(), "before");
        store.put("c", "small", "bytes".into()).wait().await.unwrap();
        let folder = place().join("c");
        until("the halves are gone", async || on_disk(&folder) == ["o", "small"]).await;
    });
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("c")).unwrap();
    let output = child("blobstore::files::upload_until_full", directory.path(), &LIMITED).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(on_disk(&directory.path().join("c")), ["o", "small"]);
}

#[test]
fn a_waiting_disk_keeps_nobody_else_waiting() {
    let directory = TempDir::new().unwrap();
    // One thread for all tasks: a call that blocked it would keep it from counting.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Files::open(directory.path()).unwrap();
        store.create_container("c").wait().await.unwrap();
        let folder = directory.path().join("c");
        // To open a pipe to read would be to wait for a writer for ever.
        mkfifo(&folder.join("pipe"), Mode::S_IRWXU).unwrap();
        assert_eq!(store.get("c", "pipe", Range::ALL).wait().await, Ok(None));
        let put = store.put("c", "o", vec![7; 8 << 20].into()).wait();
        let mut turns = 0_u64;
        let count = async {
            loop {
                turns += 1;
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            put = put => drop(put.unwrap()),
            () = count => {}
        }
        assert!(turns > 0, "nothing else ran while the disk was written to");
    });
}
