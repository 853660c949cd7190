//! What the shipped sidecar weighs: its binary, its way to readiness, its memory before and after ten million calls.
//!
//! It runs `pillion-sidecar` as it stands beside this benchmark, built by `cargo build --release`. Calls are reads and
//! writes by turns, in HTTP/1.1 over a Unix socket, many in flight on one connection: what is looked at is memory and not
//! time. A process that has answered nothing yet has not even read the code that answers: the memory after all calls is
//! therefore held against that after one call of either kind, and told beside that before any. Only the lines `footprint/*` are printed; Criterion has no word for any of them.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run ends")]

#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod ratio;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ratio::{Goal, Lines};
use tempfile::TempDir;

/// How often it is started, for the time that takes.
const STARTS: usize = 31;
const CALLS: u64 = 10_000_000;
/// Calls in flight on the connection.
const DEPTH: usize = 64;
const MIB: f64 = (1 << 20) as f64;

const COMPONENT: &str = "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: store}\n\
                         spec: {type: state.in-memory, version: v1}\n";
const SET: &str = "POST /v1.0/state/store HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                   content-length: 42\r\n\r\n[{\"key\":\"key\",\"value\":\"sixteen bytes...\"}]";
const GET: &str = "GET /v1.0/state/store/key HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Memory in MiB.
struct Memory {
    resident: f64,
    /// What no file is behind, as it is behind code: data.
    own: f64,
}

/// A sidecar with one store in memory; killed when dropped.
struct Sidecar {
    child: Child,
    socket: PathBuf,
    /// From the start of the process to its ready line.
    took: Duration,
    _folder: TempDir,
}

// === impl Sidecar ===

impl Sidecar {
    fn start(binary: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("store.yaml"), COMPONENT).expect("a component");
        let mut command = Command::new(binary);
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.args([
            "--app-id",
            "app",
            "--dapr-http-port",
            "0",
            "--dapr-grpc-port",
            "0",
            "--metrics-port",
            "0",
        ]);
        command.arg("--resources-path").arg(folder.path()).arg("--unix-domain-socket").arg(folder.path());
        let start = Instant::now();
        let mut child = command.spawn().expect("the sidecar starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output"))
            .read_line(&mut line)
            .expect("its ready line");
        let took = start.elapsed();
        assert!(line.contains("\"ready\":true"), "the sidecar is not ready: {line:?}");
        Self { child, socket: folder.path().join("dapr-app-http.socket"), took, _folder: folder }
    }

    /// Its resident memory.
    fn memory(&self) -> Memory {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("its memory");
            let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
            kib / 1024.0
        };
        Memory { resident: field("VmRSS:"), own: field("RssAnon:") }
    }

    /// Makes one call of either kind.
    fn call_once(&self) {
        let mut stream = UnixStream::connect(&self.socket).expect("a connection");
        let mut answers = BufReader::new(stream.try_clone().expect("a handle"));
        for request in [SET, GET] {
            stream.write_all(request.as_bytes()).expect("written");
            read_answer(&mut answers, &mut String::new());
        }
    }

    /// Makes so many calls, by turns of either kind.
    fn call(&self, calls: u64) {
        let mut stream = UnixStream::connect(&self.socket).expect("a connection");
        let batch: String = [SET, GET].iter().copied().cycle().take(DEPTH).collect();
        let mut answers = BufReader::with_capacity(1 << 16, stream.try_clone().expect("a handle"));
        let mut line = String::new();
        let batches = calls / DEPTH as u64;
        for _ in 0..batches {
            stream.write_all(batch.as_bytes()).expect("written");
            for _ in 0..DEPTH {
                read_answer(&mut answers, &mut line);
            }
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn main() {
    let lines = Lines::from_args();
    let name = format!("pillion-sidecar{}", std::env::consts::EXE_SUFFIX);
    let own = std::env::current_exe().expect("a path");
    let binary = own.parent().and_then(Path::parent).map(|folder| folder.join(name)).expect("a folder");
    if !binary.exists() {
        eprintln!(
            "footprint: {} is not there; run `cargo build --release -p pillion-sidecar` first",
            binary.display()
        );
        std::process::exit(2);
    }
    let size = fs::metadata(&binary).expect("it is there").len() as f64 / MIB;
    lines.value("footprint/binary", Goal::AtMost(15.0), vec![size], "MiB, stripped");
    if let Some(rounds) = lines.rounds("footprint/start", STARTS) {
        let times = (0..rounds).map(|_| Sidecar::start(&binary).took.as_secs_f64() * 1e3).collect();
        lines.value("footprint/start", Goal::AtMost(50.0), times, "ms from start to ready");
    }
    if let Some(rounds) = lines.rounds("footprint/memory", 1) {
        let sidecar = Sidecar::start(&binary);
        let idle = sidecar.memory();
        lines.value(
            "footprint/memory/idle",
            Goal::AtMost(15.0),
            vec![idle.resident],
            "MiB resident before any call",
        );
        sidecar.call_once();
        let served = sidecar.memory();
        lines.value(
            "footprint/memory/served",
            Goal::Unset,
            vec![served.resident],
            "MiB after one call of either kind",
        );
        for _ in 0..rounds {
            sidecar.call(CALLS / 100);
            let warm = sidecar.memory();
            sidecar.call(CALLS);
            let after = sidecar.memory();
            let beside = format!(
                "times as much after {CALLS} calls as after one of either kind: {:.2} MiB, and {:.2} MiB after a hundredth \
                 of them; {:.3} times as much as before any; data without code {:.2}, {:.2}, {:.2} and {:.2} MiB",
                after.resident,
                warm.resident,
                after.resident / idle.resident,
                idle.own,
                served.own,
                warm.own,
                after.own
            );
            let times = vec![after.resident / served.resident];
            lines.value("footprint/memory/after", Goal::AtMost(1.1), times, &beside);
        }
    }
}

/// Reads an answer to its end.
fn read_answer(answers: &mut BufReader<UnixStream>, line: &mut String) {
    let mut length = 0;
    for number in 0.. {
        line.clear();
        assert_ne!(answers.read_line(line).expect("read"), 0, "the sidecar closed the connection");
        if number == 0 {
            assert!(line.starts_with("HTTP/1.1 2"), "{line}");
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().expect("a number");
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = answers.by_ref().take(length);
    std::io::copy(&mut body, &mut std::io::sink()).expect("read");
}
