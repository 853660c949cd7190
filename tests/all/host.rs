//! The host by itself, as its users start it: keys, a signed module, a manifest, and requests.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use pillion_capabilities::testing::Collector;
use pillion_host::identity::{self, ActorClaims, Claims, KeyPair};
use tempfile::TempDir;

use crate::fake::wait_until;

/// A folder with keys, a signed counter and a manifest.
struct Folder {
    directory: TempDir,
}

/// A running host, killed if the test fails.
struct Running(Child);

/// What a host says line by line, on one of its outputs.
struct Said(mpsc::Receiver<String>);

/// No machine takes as long as that for what is waited for here.
const MINUTE: Duration = Duration::from_secs(60);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// === impl Running ===

impl Running {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
    }
}

// === impl Said ===

impl Said {
    fn by(output: impl Read + Send + 'static) -> Self {
        let (lines, said) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        Self(said)
    }

    /// The next line in which all these words are. Those before it are passed over.
    fn next(&self, words: &[&str]) -> String {
        let mut passed_over = Vec::new();
        loop {
            let line = self.0.recv_timeout(MINUTE);
            assert!(line.is_ok(), "{words:?} in {passed_over:?}");
            let line = line.unwrap();
            if words.iter().all(|word| line.contains(word)) {
                return line;
            }
            passed_over.push(line);
        }
    }

    /// The address in the next line about one.
    fn address(&self) -> String {
        self.next(&["listening "]).split(' ').nth(1).unwrap().to_owned()
    }
}

// === impl Folder ===

impl Folder {
    fn new() -> Self {
        let folder = Self { directory: tempfile::tempdir().unwrap() };
        let account = folder.good("module keygen account --out account.seed");
        folder.good("module keygen module --out app.seed");
        let guest = pillion_artifacts::guest().unwrap();
        fs::copy(guest, folder.path("app.wasm")).unwrap();
        folder.good(
            "module sign app.wasm --account-key account.seed --module-key app.seed \
             --cap wascc:keyvalue --cap wascc:http_server -o app.signed.wasm",
        );
        let manifest = format!(
            "trustedIssuers: [{}]\n\
             providers:\n  - {{name: store, kind: redb, path: \"${{STORE:store.redb}}\"}}\n\
             actors:\n  - module: app.signed.wasm\n    bindings: [{{provider: store}}]\n    \
             http: {{listen: \"127.0.0.1:0\"}}\n",
            account.trim()
        );
        fs::write(folder.path("host.yaml"), manifest).unwrap();
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
        command.args(arguments.split_whitespace()).current_dir(&self.directory).env_remove("RUST_LOG");
        command
    }

    fn run(&self, arguments: &str) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs what must succeed; answers standard output.
    fn good(&self, arguments: &str) -> String {
        let done = self.run(arguments);
        assert!(done.status.success(), "{arguments}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Starts the host; answers what it says on both outputs.
    fn start_talking(&self, arguments: &str) -> (Running, Said, Said) {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, log) = (Said::by(child.stdout.take().unwrap()), Said::by(child.stderr.take().unwrap()));
        (Running(child), out, log)
    }

    /// Signs the counter anew.
    fn sign(&self, rev: usize) {
        self.good(&format!(
            "module sign app.wasm --account-key account.seed --module-key app.seed --rev {rev} \
             --cap wascc:keyvalue --cap wascc:http_server -o next.wasm"
        ));
        fs::rename(self.path("next.wasm"), self.path("app.signed.wasm")).unwrap();
    }

    /// Changes the manifest, in one piece.
    fn change(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("host.yaml")).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(self.path("next.yaml"), text.replace(from, to)).unwrap();
        fs::rename(self.path("next.yaml"), self.path("host.yaml")).unwrap();
    }

    /// Starts the host and waits until it is ready; answers where it listens.
    fn start(&self) -> (Running, String) {
        started(&mut self.command("host run host.yaml"))
    }
}

fn started(command: &mut Command) -> (Running, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let running = Running(child);
    let (mut address, mut ready) = (None, false);
    for line in out.lines().map_while(Result::ok) {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["listening", at, _] => address = Some((*at).to_owned()),
            ["ready"] => ready = true,
            _ => {}
        }
        if ready {
            break;
        }
    }
    assert!(ready, "it ended before it was ready");
    (running, address.unwrap())
}

/// Whether the actor is served there no more: nobody listens, or somebody of another test does by now.
fn serves_no_counter(address: &str) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET /counter/gone HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    };
    !ask().is_ok_and(|response| response.contains(r#"{"counter":"gone""#))
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

#[test]
fn a_manifest_is_served_and_what_it_kept_is_there_the_next_time() {
    let folder = Folder::new();
    for (signal, values) in [(Signal::SIGTERM, ["1", "2"]), (Signal::SIGINT, ["3", "4"])] {
        let (mut running, address) = folder.start();
        for value in values {
            let response = get(&address, "/counter/one");
            assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
            assert!(response.ends_with(&format!(r#"{{"counter":"one","value":{value}}}"#)), "{response}");
        }
        running.signal(signal);
        assert!(running.0.wait().unwrap().success());
    }
}

/// Clients count as fast as they can while the manifest, and the module, are taken anew again and again.
#[test]
fn a_changed_manifest_is_taken_on_a_signal_and_no_request_is_lost() {
    const RELOADS: usize = 20;
    const CLIENTS: usize = 3;
    let folder = Folder::new();
    let (mut running, out, log) = folder.start_talking("host run host.yaml --no-watch");
    let address = out.address();
    out.next(&["ready"]);
    let (reloading, answered) = (AtomicBool::new(true), AtomicUsize::new(0));
    let mut values: Vec<usize> = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut values = Vec::new();
                    while reloading.load(Ordering::Acquire) {
                        let response = get(&address, "/counter/one");
                        assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
                        let value = response.rsplit_once(r#""value":"#).unwrap().1.trim_end_matches('}');
                        values.push(value.parse().unwrap());
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    values
                })
            })
            .collect();
        // They end with the test, whatever becomes of it.
        let _end = Ending(&reloading);
        let mut instances = "limits: {instances: 900}\n    http:".to_owned();
        folder.change("http:", &instances);
        for reload in 1..=RELOADS {
            if reload % 2 == 0 {
                folder.sign(reload);
            }
            let next = format!("limits: {{instances: {}}}\n    http:", 900 + reload);
            folder.change(&instances, &next);
            instances = next;
            let before = answered.load(Ordering::Relaxed);
            running.signal(Signal::SIGHUP);
            out.next(&["reloaded"]);
            let logged = log.next(&["reloaded", "limits"]);
            assert_eq!(logged.contains("revision"), reload % 2 == 0, "{logged}");
            let begun = Instant::now();
            while answered.load(Ordering::Relaxed) < before + CLIENTS {
                assert!(begun.elapsed() < MINUTE, "nothing is answered");
                thread::yield_now();
            }
        }
        reloading.store(false, Ordering::Release);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    values.sort_unstable();
    assert!(values.len() >= RELOADS * CLIENTS);
    assert!(
        values.iter().copied().eq(1..=values.len()),
        "each is answered once, and counted once: {values:?}"
    );
    running.signal(Signal::SIGTERM);
    assert!(running.0.wait().unwrap().success());
}

/// Says when it is dropped that there is nothing to do any more.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

#[test]
fn changed_files_are_taken_by_themselves_and_wrong_ones_change_nothing() {
    let folder = Folder::new();
    let (mut running, out, log) = folder.start_talking("host run host.yaml");
    let first = out.address();
    out.next(&["ready"]);
    assert!(get(&first, "/counter/one").ends_with(r#""value":1}"#));

    folder.change("127.0.0.1:0", "localhost:0");
    let second = out.address();
    out.next(&["reloaded"]);
    log.next(&["INFO", "reloaded", "(http)"]);
    assert!(get(&second, "/counter/one").ends_with(r#""value":2}"#), "the store is the same");
    wait_until(|| serves_no_counter(&first));

    folder.sign(7);
    out.next(&["reloaded"]);
    log.next(&["reloaded", "(revision 0 → 7)"]);

    for (from, to, words) in [
        ("kind: redb", "kind: oracle", ["unknown variant `oracle`", "at line 3"]),
        ("app.signed.wasm", "app.wasm", ["actors[0].module: ", "the module is not signed"]),
        ("providers:", "cache: elsewhere\nproviders:", ["cache: ", "start it with this manifest"]),
    ] {
        folder.change(from, to);
        log.next(&["ERROR", "not reloaded", "host.yaml", words[0], words[1]]);
        assert!(get(&second, "/counter/other").starts_with("HTTP/1.1 200 OK"), "it goes on as it was");
        folder.change(to, from);
    }
    // A module that a wrong manifest wanted, and that is there now.
    folder.change("app.signed.wasm", "later.wasm");
    log.next(&["not reloaded", "later.wasm"]);
    fs::copy(folder.path("app.signed.wasm"), folder.path("later.wasm")).unwrap();
    folder.change("trustedIssuers", "labels: {mended: \"yes\"}\ntrustedIssuers");
    log.next(&["reloaded", "labels"]);
    assert!(get(&second, "/counter/one").ends_with(r#""value":3}"#));

    fs::write(folder.path("host.yaml"), "").unwrap();
    running.signal(Signal::SIGHUP);
    log.next(&["reloaded", "-actor"]);
    wait_until(|| serves_no_counter(&second));
    running.signal(Signal::SIGINT);
    assert!(running.0.wait().unwrap().success());
}

#[test]
fn spans_of_a_host_are_exported_as_its_manifest_says() {
    let folder = Folder::new();
    let plain = fs::read_to_string(folder.path("host.yaml")).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for protocol in ["http/protobuf", "grpc"] {
        let collector = Collector::start().unwrap();
        let endpoint = collector.url();
        let tracing =
            format!("tracing: {{endpoint: \"{endpoint}\", protocol: {protocol}, service: counters}}\n");
        fs::write(folder.path("host.yaml"), tracing + &plain).unwrap();
        let (mut running, address) = folder.start();
        let response = get(&address, "/counter/traced");
        assert!(response.starts_with("HTTP/1.1 200 OK"), "{response}");
        kill(Pid::from_raw(running.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
        assert!(running.0.wait().unwrap().success());
        let spans = runtime.block_on(collector.until(|spans| spans.len() >= 3)).unwrap();
        let names: Vec<_> = spans.iter().map(|span| (span.service.as_str(), span.name.as_str())).collect();
        // They end from the innermost.
        assert_eq!(names, ["wascc:keyvalue Add", "HandleRequest", "GET"].map(|name| ("counters", name)));
        assert_eq!((&spans[0].parent, &spans[1].parent), (&spans[1].span, &spans[2].span));
        assert_eq!(spans[0].attribute("pillion.provider"), "redb");
    }
}

#[test]
fn a_host_without_its_collector_serves_and_says_so_once() {
    let folder = Folder::new();
    // Nobody listens there, and nobody can while this has it.
    let dead = tokio::net::TcpSocket::new_v4().unwrap();
    dead.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let gone = dead.local_addr().unwrap();
    let plain = fs::read_to_string(folder.path("host.yaml")).unwrap();
    fs::write(folder.path("host.yaml"), format!("tracing: {{endpoint: \"http://{gone}\"}}\n{plain}"))
        .unwrap();
    // A batch after each span, so that several fail.
    let mut command = folder.command("host run host.yaml");
    command.env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1").stderr(Stdio::piped());
    let (mut running, address) = started(&mut command);
    let mut errors = BufReader::new(running.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut served = 0;
    let mut serve = || {
        served += 1;
        assert!(get(&address, "/counter/one").ends_with(&format!(r#""value":{served}}}"#)));
    };
    serve();
    let said = errors.find(|line| line.contains("spans are not exported")).expect("it is said");
    assert!(said.contains(&gone.to_string()) && said.contains("start the collector"), "{said}");
    for _ in 0..5 {
        serve();
    }
    kill(Pid::from_raw(running.0.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert!(running.0.wait().unwrap().success());
    let rest: Vec<_> = errors.filter(|line| line.contains("spans are not exported")).collect();
    assert!(rest.is_empty(), "{rest:?}");
}

/// The kB that a host of this manifest has in memory once it is ready.
fn resident(folder: &Folder) -> usize {
    let (running, _) = folder.start();
    let status = fs::read_to_string(format!("/proc/{}/status", running.0.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_thousand_idle_actors_over_one_module_take_little_memory() {
    const ACTORS: usize = 1_000;
    let folder = Folder::new();
    let seed = fs::read_to_string(folder.path("account.seed")).unwrap();
    let account = KeyPair::from_seed(seed.trim()).unwrap();
    let wasm = fs::read(folder.path("app.wasm")).unwrap();
    let one = fs::read_to_string(folder.path("host.yaml")).unwrap();
    let alone = resident(&folder);
    let mut many = one;
    for number in 1..ACTORS {
        let actor = ActorClaims { caps: vec!["wascc:keyvalue".to_owned()], ..ActorClaims::default() };
        let claims = Claims::new(&account, &KeyPair::new_module(), actor);
        let name = format!("{number}.wasm");
        fs::write(folder.path(&name), identity::sign(&wasm, claims, &account).unwrap()).unwrap();
        many.push_str(&format!("  - module: {name}\n    bindings: [{{provider: store}}]\n"));
    }
    fs::write(folder.path("host.yaml"), many).unwrap();
    let each = resident(&folder).saturating_sub(alone) / (ACTORS - 1);
    assert!(each <= 64, "{each} kB each, beside {alone} kB for one");
}

#[test]
fn what_would_run_is_told_without_running_it() {
    let folder = Folder::new();
    let inventory: serde_json::Value =
        serde_json::from_str(&folder.good("host run host.yaml --check")).unwrap();
    assert_eq!(inventory["actors"][0]["bindings"][0]["provider"], "redb");
    assert!(!folder.path("store.redb").exists(), "a check makes no file");
}

#[test]
fn the_help_names_all_kinds_of_providers() {
    let folder = Folder::new();
    let help = folder.good("host run --help");
    let schema: serde_json::Value = serde_json::from_str(&folder.good("host schema")).unwrap();
    let kinds = schema["$defs"]["ProviderKind"]["oneOf"].as_array().unwrap();
    assert!(kinds.len() > 10, "{kinds:?}");
    for kind in kinds {
        let kind = kind["const"].as_str().unwrap();
        assert!(help.contains(kind), "{kind}");
    }
}

#[test]
fn the_schema_is_the_published_one() {
    let published = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/host.schema.json");
    assert_eq!(Folder::new().good("host schema"), fs::read_to_string(published).unwrap());
}

#[test]
fn what_keeps_it_from_running_is_said_with_its_code() {
    let folder = Folder::new();
    let text = fs::read_to_string(folder.path("host.yaml")).unwrap();
    for (from, to, code, expected) in [
        ("kind: redb", "kind: oracle", 2, "unknown variant `oracle`"),
        (
            "${STORE:store.redb}",
            "${MISSING_VARIABLE}",
            2,
            "the environment variable MISSING_VARIABLE is not set",
        ),
        (
            "app.signed.wasm",
            "app.wasm",
            7,
            "actors[0].module: the module is refused: the module is not signed",
        ),
        (
            "providers:",
            "tracing: {endpoint: localhost}\nproviders:",
            5,
            "tracing: endpoint \"localhost\" begins with neither http:// nor https://",
        ),
        (
            "providers:",
            "tracing: {endpoint: \"http://h\", samplingRate: 2}\nproviders:",
            2,
            "tracing.samplingRate: samplingRate 2 is not from 0 to 1",
        ),
        ("provider: store", "provider: other", 5, "actors[0].bindings[0]: there is no provider \"other\""),
    ] {
        fs::write(folder.path("wrong.yaml"), text.replace(from, to)).unwrap();
        let done = folder.run("host run wrong.yaml");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(said.contains("wrong.yaml") && said.contains(expected), "{said}");
        assert_eq!(done.status.code(), Some(code), "{said}");
    }
    let done = folder.run("host run missing.yaml");
    assert!(String::from_utf8_lossy(&done.stderr).contains("missing.yaml cannot be read"));
}
