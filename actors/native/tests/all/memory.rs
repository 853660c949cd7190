//! Calls through shared memory.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use pillion_logic::Capabilities;
use pillion_native::{ApiToken, SharedMemorySidecar};

use crate::clients::{count_together, outlives};
use crate::lanes::check_sidecar;
use crate::sidecar::{Sidecar, refusal};

/// A name that no other test has.
fn name() -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    format!("test-{}-{}", std::process::id(), NAMES.fetch_add(1, Ordering::Relaxed))
}

fn client(name: &str) -> SharedMemorySidecar {
    SharedMemorySidecar::new(name, "statestore", None, false)
}

#[tokio::test]
async fn answers_what_the_oracle_says_whether_it_sleeps_or_spins() {
    for busy in [false, true] {
        let name = name();
        let mut arguments = vec!["--shared-memory", &name];
        arguments.extend(busy.then_some("--busy-poll"));
        let sidecar = Sidecar::with(&arguments, &[]);
        check_sidecar(&sidecar, &SharedMemorySidecar::new(&name, "statestore", None, busy)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_visit_is_lost_among_many_and_many_clients() {
    let name = name();
    let _sidecar = Sidecar::with(&["--shared-memory", &name], &[]);
    let (first, second) = (client(&name), client(&name));
    let (first, second) = (count_together(first, "first"), count_together(second, "second"));
    tokio::join!(first, second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn more_calls_than_fit_wait_for_their_turn() {
    let name = name();
    let _sidecar = Sidecar::with(&["--shared-memory", &name], &[]);
    let client = std::sync::Arc::new(client(&name));
    client.set("k", b"v").await.unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let client = std::sync::Arc::clone(&client);
        // One after another: what a call used is used again at once, while other threads still read their answers.
        callers.spawn(async move {
            for _ in 0..50 {
                assert_eq!(client.get("k").await.unwrap().unwrap(), "v");
            }
        });
    }
    while let Some(called) = callers.join_next().await {
        called.unwrap();
    }
}

#[tokio::test]
async fn asks_for_the_token_before_it_takes_a_call() {
    let name = name();
    let sidecar = Sidecar::with(&["--shared-memory", &name], &[("DAPR_API_TOKEN", "secret")]);
    let wrong: ApiToken = "wrong".parse().unwrap();
    for token in [None, Some(&wrong)] {
        let client = SharedMemorySidecar::new(&name, "statestore", token, false);
        let error = client.get("k").await.unwrap_err().to_string();
        assert!(error.contains("Unauthenticated"), "{error}");
    }
    assert_eq!(sidecar.reached("get").await, 0);
    let token: ApiToken = "secret".parse().unwrap();
    let client = SharedMemorySidecar::new(&name, "statestore", Some(&token), false);
    assert_eq!(client.get("k").await.unwrap(), None);
    assert_eq!(sidecar.reached("get").await, 1);
}

#[tokio::test]
async fn a_sidecars_words_and_limits_come_through() {
    let name = name();
    let _sidecar = Sidecar::with(&["--shared-memory", &name, "--max-body-size", "1Ki"], &[]);
    let nowhere = SharedMemorySidecar::new(&name, "nowhere", None, false);
    let error = nowhere.get("k").await.unwrap_err().to_string();
    assert!(error.contains("nowhere") && error.contains("InvalidArgument"), "{error}");
    let client = client(&name);
    let error = client.set("k", &[b'v'; 2_000]).await.unwrap_err().to_string();
    assert!(error.contains("ResourceExhausted") && error.contains("--max-body-size"), "{error}");
    let error = client.set("k", &vec![b'v'; 300_000]).await.unwrap_err().to_string();
    assert!(error.contains("too long for shared memory"), "{error}");
    client.set("k", b"v").await.unwrap();
}

#[tokio::test]
async fn nobody_there_is_named() {
    let name = name();
    let client = client(&name);
    let error = client.get("k").await.unwrap_err().to_string();
    assert!(error.contains(&name) && error.contains("is it running?"), "{error}");
    // Once there is somebody, it is found.
    let _sidecar = Sidecar::with(&["--shared-memory", &name], &[]);
    assert_eq!(client.get("k").await.unwrap(), None);
}

#[test]
fn a_name_that_is_taken_or_none_is_refused() {
    let name = name();
    let _sidecar = Sidecar::with(&["--shared-memory", &name], &[]);
    let ports =
        ["--dapr-http-port", "0", "--dapr-grpc-port", "0", "--metrics-port", "0", "--app-id", "other"];
    let of = |name: &str| refusal(&[&ports[..], &["--shared-memory", name]].concat());
    let said = of(&name);
    assert!(said.contains("another sidecar serves") && said.contains(&name), "{said}");
    for wrong in ["", "a/b", "with space", &"x".repeat(65)] {
        let said = of(wrong);
        assert!(said.contains("cannot name shared memory"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sidecar_that_is_killed_under_calls_is_an_error_and_its_successor_is_found() {
    let name = name();
    let mut sidecar = Sidecar::with(&["--shared-memory", &name], &[]);
    outlives(client(&name), &mut sidecar, &["--shared-memory", &name]).await;
}

#[tokio::test]
async fn a_sidecar_that_stops_is_an_error() {
    let name = name();
    let mut sidecar = Sidecar::with(&["--shared-memory", &name], &[]);
    let client = client(&name);
    assert_eq!(client.get("k").await.unwrap(), None);
    sidecar.stop();
    let error = client.get("k").await.unwrap_err().to_string();
    assert!(error.contains("is it running?"), "{error}");
}

/// The name of the shared memory, for the process below.
const VARIABLE: &str = "PILLION_TEST_SHARED_MEMORY";

/// Not a test by itself: the process that the next one kills.
#[tokio::test]
#[ignore = "another test starts it"]
async fn a_client_to_be_killed() {
    let name = std::env::var(VARIABLE).unwrap();
    let client = client(&name);
    client.set("k", b"v").await.unwrap();
    // Past the capture of output.
    std::io::stderr().write_all(b"connected\n").unwrap();
    loop {
        client.get("k").await.unwrap();
    }
}

#[tokio::test]
async fn what_killed_clients_leave_is_cleaned_up() {
    let name = name();
    let _sidecar = Sidecar::with(&["--shared-memory", &name], &[]);
    // More than there is room for at a time.
    for _ in 0..6 {
        let mut child: Child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "memory::a_client_to_be_killed", "--ignored", "--nocapture"])
            .env(VARIABLE, &name)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line == "connected"), "the client ended");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let client = client(&name);
    assert!(client.get("k").await.unwrap().is_some());
}
