//! A host as a file.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use pillion_capabilities::testing::{NatsServer, RedisServer};
use pillion_codec::{SecretRequest, SecretResponse};
use pillion_host::Inventory;
use pillion_host::identity::{self, ActorClaims, Claims, KeyPair, SignerClaims};
use pillion_host::manifest::{Manifest, ManifestError, ProviderKind, Running};
use tempfile::TempDir;

use crate::guests::{Author, calling, caps, http_echo, keyvalue, mailbox};

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Manifest, ManifestError> {
    let variables: HashMap<_, _> = variables.iter().copied().collect();
    Manifest::parse(text, |name| variables.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn variables_are_expanded_in_their_places() {
    let text = "labels:\n  a: ${A}\n  b: '${B:de:fault}'\n  c: \"$${A} ${EMPTY:}\"\ncache: ${A}/x${A}";
    let manifest = parse(text, &[("A", "one")]).expect("a manifest");
    let labels: Vec<_> = manifest.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
    assert_eq!(labels, [("a", "one"), ("b", "de:fault"), ("c", "${A} ")]);
    assert_eq!(manifest.cache.as_deref(), Some(Path::new("one/xone")));
    let json = parse(r#"{"trustedIssuers": ["${KEY}"]}"#, &[("KEY", "A1")]).expect("JSON is taken too");
    assert_eq!(json.trusted_issuers, ["A1"]);
}

#[test]
fn a_variable_says_what_a_scalar_says_and_no_more() {
    let text = "# ${NOT_ASKED_FOR}\nlabels:\n  a: ${A}\n  b: \"x${A}\" # ${NOR_THIS}\ncache: ${C}";
    for value in ["\"", "one # two", "b: c", "x\nactors: []", "[1, 2]", "{", "null", "12", ""] {
        let manifest = parse(text, &[("A", value), ("C", value)]).expect(value);
        assert_eq!(manifest.labels["a"], value);
        assert_eq!(manifest.labels["b"], format!("x{value}"));
        assert_eq!(manifest.cache.as_deref(), Some(Path::new(value)));
        assert!(manifest.actors.is_empty());
    }
}

#[test]
fn a_variable_may_stand_for_a_number_and_a_kind() {
    let text = "providers:\n  - {name: a, kind: \"${KIND}\"}\nactors:\n  - module: x\n    limits:\n      \
                memory: ${MEMORY}\n      instances: \"${INSTANCES:7}\"\n";
    let manifest = parse(text, &[("MEMORY", "65536"), ("KIND", "memory-bus")]).expect("a manifest");
    assert_eq!(manifest.providers[0].kind, ProviderKind::MemoryBus);
    let limits = manifest.actors[0].limits;
    assert_eq!((limits.memory, limits.instances, limits.deadline_ms), (Some(65_536), Some(7), None));
    for (memory, expected) in [("much", "string \"much\""), ("0", "0 would leave nothing"), ("-1", "`-1`")] {
        let error = parse(text, &[("MEMORY", memory), ("KIND", "memory")]).expect_err(memory).to_string();
        assert!(error.starts_with("actors[0].limits.memory: ") && error.contains(expected), "{error}");
        assert!(error.contains("line 6"), "{error}");
    }
    let error = parse(text, &[("MEMORY", "1"), ("KIND", "oracle")]).expect_err("no such kind").to_string();
    assert!(
        error.contains("providers[0].kind: unknown variant `oracle`") && error.contains("line 2"),
        "{error}"
    );
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, expected, line) in [
        ("labels:\n  a: ${MISSING}", "labels.a: the environment variable MISSING is not set; set it, or", 2),
        ("labels:\n  a: ${OPEN\n  b: c", "labels.a: `${` has no `}` after it", 2),
        ("labels: {a: \"${no name}\"}", "labels.a: \"no name\" is no name", 1),
        ("actors:\n  - module: a.wasm\n    http: {port: 1}", "unknown field `port`", 3),
        ("providers:\n  - {name: a, kind: oracle}", "unknown variant `oracle`", 2),
        ("actors:\n  - bindings: []", "missing field `module`", 2),
        ("actors:\n  - module: x\n    limits: {instances: many}", "actors[0].limits.instances", 3),
        (
            "actors:\n  - module: x\n    limits: {instances: 0}",
            "actors[0].limits.instances: 0 would leave",
            3,
        ),
        ("actors:\n  - module: x\n    limits:\n      memory: 0", "actors[0].limits.memory: 0 would leave", 4),
        (
            "actors:\n  - module: x\n    limits: {deadlineMs: 0}",
            "deadlineMs: 0 would leave nothing; give 1",
            3,
        ),
        ("actors:\n  - module: x\n    limits: {queue: 0}", "limits.queue: 0 would leave nothing", 3),
        ("actors:\n  - module: x\n    limits: {fuel: 1.5}", "actors[0].limits.fuel", 3),
        ("actors:\n  - module: x\n    http: {listen: a, connections: 0}", "http.connections: 0 would", 3),
    ] {
        let error = parse(text, &[]).expect_err(text).to_string();
        assert!(error.contains(expected) && error.contains(&format!("at line {line} ")), "{error}");
    }
}

#[test]
fn the_published_schema_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/host.schema.json");
    let schema = format!("{}\n", serde_json::to_string_pretty(&Manifest::schema()).expect("JSON"));
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(published == schema, "write it anew: pillion host schema > docs/host.schema.json");
}

/// What `lines` of a text say after these signs, up to the first that do not begin with them.
fn quoted(text: &str, begin: &str, signs: &str) -> String {
    let from = text.find(begin).expect(begin) + begin.len();
    let lines = text[from..].lines().skip(1).map_while(|line| line.trim_start().strip_prefix(signs));
    lines.take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_documented_manifests_are_manifests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).expect(path);
    let documented = quoted(&read("src/manifest/mod.rs"), "/// ```yaml", "/// ");
    let help = quoted(&read("../src/host/arguments.rs"), "\"A manifest:", "\"  ");
    let help = help.replace("\\n\\n\",", "").replace("\\n\",", "").replace("\\\"", "\"");
    for text in [documented, help] {
        let manifest = parse(&text, &[]).expect(&text);
        let url = manifest.providers[0].url.as_deref();
        assert_eq!((manifest.actors.len(), url), (1, Some("redis://127.0.0.1:6379")), "{text}");
        assert!(manifest.actors[0].http.is_some(), "{text}");
    }
}

/// A folder with signed modules.
struct Folder {
    directory: TempDir,
    author: Author,
}

impl Folder {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), author: Author::new() }
    }

    fn sign(&self, name: &str, module: &KeyPair, wasm: &[u8], claims: ActorClaims) {
        fs::write(self.directory.path().join(name), self.author.sign(module, wasm, claims)).expect("written");
    }

    async fn start(&self, text: &str) -> Result<Running, String> {
        let text = format!("trustedIssuers: [{}]\n{text}", self.author.public_key());
        let manifest = parse(&text, &[]).expect("a manifest");
        Running::start(&manifest, self.directory.path()).await.map_err(|error| error.to_string())
    }

    async fn check(&self, text: &str) -> Result<Inventory, String> {
        let text = format!("trustedIssuers: [{}]\n{text}", self.author.public_key());
        let manifest = parse(&text, &[]).expect("a manifest");
        Running::check(&manifest, self.directory.path()).await.map_err(|error| error.to_string())
    }
}

#[test]
fn a_sampling_rate_is_a_number_a_text_or_a_variable() {
    let text = "tracing:\n  endpoint: http://h\n  samplingRate: ";
    for (written, rate) in [("1", 1.0), ("0.25", 0.25), ("\"0.5\"", 0.5), ("${RATE}", 0.125), ("${ONE}", 1.0)]
    {
        let manifest = parse(&format!("{text}{written}"), &[("RATE", "0.125"), ("ONE", "1")]).expect(written);
        let tracing = manifest.tracing.expect("it is there");
        assert_eq!((tracing.sampling_rate.get(), tracing.service.as_str()), (rate, "pillion-host"));
    }
    let all = parse("tracing: {endpoint: \"http://h\"}", &[]).expect("a manifest").tracing;
    assert_eq!(all.map(|it| it.sampling_rate.get()), Some(1.0), "whoever names a collector wants spans");
    for wrong in ["2", "-1", "1.01", "much", "\"1,5\"", "true"] {
        let error = parse(&format!("{text}{wrong}"), &[]).expect_err(wrong).to_string();
        assert!(error.contains("tracing.samplingRate: ") && error.contains("line 3"), "{error}");
    }
    let error =
        parse("tracing: {endpoint: \"http://h\", protocol: thrift}", &[]).expect_err("no such protocol");
    assert!(
        error.to_string().contains("unknown variant `thrift`, expected `http/protobuf` or `grpc`"),
        "{error}"
    );
}

#[tokio::test]
async fn all_that_a_manifest_says_is_there() {
    let folder = Folder::new();
    let (store, caller) = (KeyPair::new_module(), KeyPair::new_module());
    let aliased = ActorClaims { call_alias: Some("demo/store".to_owned()), ..caps(&["wascc:keyvalue"]) };
    folder.sign("store.wasm", &store, &keyvalue(), aliased);
    folder.sign("caller.wasm", &caller, &calling("demo/store"), caps(&["demo/store"]));
    folder.sign("http.wasm", &KeyPair::new_module(), &http_echo(200), caps(&["wascc:http_server"]));
    let granted = caps(&["wascc:keyvalue", "wascc:messaging"]);
    folder.sign("mailbox.wasm", &KeyPair::new_module(), &mailbox(), granted);
    let running = folder.start(
        r#"
labels: {region: north}
providers:
  - {name: memory, kind: memory}
  - {name: file, kind: redb, path: store.redb}
  - {name: bus, kind: memory-bus}
actors:
  - module: caller.wasm
    calls: [demo/store]
  - module: store.wasm
    limits: {memory: 1048576, deadlineMs: 100, instances: 3, fuel: 1000000, concurrency: 2, queue: 10}
    bindings: [{provider: memory}, {name: durable, provider: file}]
  - module: http.wasm
    http: {listen: "127.0.0.1:0", body: 100}
  - module: mailbox.wasm
    bindings: [{provider: memory}, {provider: bus}]
    subscriptions: [{topic: inbox, group: all, maxDeliveries: 2, deadLetter: dead}]
"#,
    );
    let running = Arc::new(running.await.expect("it starts"));
    let inventory = running.host().inventory();
    assert_eq!(inventory.labels["region"], "north");
    let info = |key: &str| inventory.actors.iter().find(|it| it.key == key).expect("it is there");
    assert_eq!(info(&caller.public_key()).links, [store.public_key()]);
    let bindings: Vec<_> =
        info(&store.public_key()).bindings.iter().map(|it| (&*it.binding, it.provider)).collect();
    assert_eq!(bindings, [("default", "memory"), ("durable", "redb")]);
    assert!(inventory.actors.iter().any(|it| it.subscriptions == ["inbox"]));
    let (_, address) = running.addresses().next().expect("one listens");
    tokio::net::TcpStream::connect(address).await.expect("it listens");
    Arc::into_inner(running).expect("nobody else has it").stop().await;
    tokio::net::TcpStream::connect(address).await.expect_err("nobody listens");
}

#[tokio::test]
async fn servers_events_and_blobs_are_bound() {
    let folder = Folder::new();
    let granted = caps(&["wascc:http_client", "wascc:eventstreams", "wascc:blobstore"]);
    folder.sign("plain.wasm", &KeyPair::new_module(), &keyvalue(), granted);
    fs::create_dir(folder.directory.path().join("objects")).expect("made");
    let running = folder.start(
        r#"
providers:
  - {name: web, kind: http-client, allow: [example.com, "*.example.com:443"], allowPrivate: true}
  - {name: events, kind: memory-events}
  - {name: blobs, kind: memory-blobs}
  - {name: objects, kind: files, path: objects}
actors:
  - module: plain.wasm
    bindings: [{provider: web}, {provider: events}, {provider: blobs}, {name: files, provider: objects}]
"#,
    );
    let running = running.await.expect("it starts");
    let info = &running.host().inventory().actors[0];
    let bindings: Vec<_> = info.bindings.iter().map(|it| (&*it.binding, it.contract, it.provider)).collect();
    assert_eq!(
        bindings,
        [
            ("default", "wascc:http_client", "hyper"),
            ("default", "wascc:eventstreams", "memory"),
            ("default", "wascc:blobstore", "memory"),
            ("files", "wascc:blobstore", "files"),
        ]
    );
    running.stop().await;
}

#[tokio::test]
async fn secrets_configuration_events_and_values_are_bound() {
    let folder = Folder::new();
    let granted = caps(&[
        "wascc:keyvalue",
        "wascc:eventstreams",
        "wascc:logging",
        "pillion:secrets",
        "pillion:configuration",
    ]);
    folder.sign("app.wasm", &KeyPair::new_module(), &calling("pillion:secrets"), granted);
    let write =
        |name: &str, text: &str| fs::write(folder.directory.path().join(name), text).expect("written");
    write("secrets.json", r#"{"db": "hunter2", "other": "x"}"#);
    write("app.yaml", "a: 1\n");
    let text = r#"
providers:
  - {name: vault, kind: secrets-file, path: secrets.json}
  - {name: environment, kind: secrets-environment, prefix: CARGO_PKG_}
  - {name: settings, kind: configuration-file, path: app.yaml}
  - {name: events, kind: memory-events}
  - {name: store, kind: memory}
  - {name: log, kind: log}
actors:
  - module: app.wasm
    bindings:
      - {provider: vault, values: {allow: "db, more-*"}}
      - {name: environment, provider: environment}
      - {provider: settings, values: {prefix: app}}
      - {provider: events}
      - {name: mine, provider: events, values: {prefix: mine}}
      - {provider: store, values: {prefix: app}}
      - {provider: log, values: {level: warn}}
    events:
      - {stream: audit}
      - {stream: audit, binding: mine, group: all, start: eldest, maxDeliveries: 3, concurrency: 1}
"#;
    let running = folder.start(text).await.expect("it starts");
    let info = &running.host().inventory().actors[0];
    let bindings: Vec<_> = info.bindings.iter().map(|it| (&*it.binding, it.contract, it.provider)).collect();
    assert_eq!(
        bindings,
        [
            ("default", "pillion:secrets", "file"),
            ("environment", "pillion:secrets", "environment"),
            ("default", "pillion:configuration", "file"),
            ("default", "wascc:eventstreams", "memory"),
            ("mine", "wascc:eventstreams", "memory"),
            ("default", "wascc:keyvalue", "memory"),
            ("default", "wascc:logging", "traced"),
        ]
    );
    assert_eq!(info.event_streams, ["audit", "audit"]);
    let actor = running.host().actors().remove(0);
    for (secret, expected) in [("db", Ok("hunter2")), ("other", Err("the secret \"other\" by this binding"))]
    {
        let mut payload = Vec::new();
        SecretRequest { secret }.encode(&mut payload);
        let answer = running.host().call(&actor, "Get", &payload).wait().await;
        match (answer, expected) {
            (Ok(answer), Ok(value)) => {
                let response = SecretResponse::decode(&answer).expect("a response");
                assert_eq!(response.values.iter().next().map(|(_, value)| value.expose()), Some(value));
            }
            (Err(failure), Err(text)) => assert!(failure.to_string().contains(text), "{failure}"),
            (answer, expected) => panic!("{answer:?} is not {expected:?}"),
        }
    }
    running.stop().await;

    let checked = folder.check(text).await.expect("nothing is wrong with it");
    assert_eq!(checked.actors[0].bindings.len(), 7);
    for (from, to, expected) in [
        ("path: secrets.json", "path: missing.json", "providers[0]: file failed: the file of secrets"),
        (
            "kind: secrets-environment, prefix: CARGO_PKG_",
            "kind: secrets-environment",
            "providers[1]: a provider of this kind needs `prefix`",
        ),
        (
            "kind: secrets-environment, prefix: CARGO_PKG_",
            "kind: secrets-environment, prefix: \"\"",
            "providers[1]: a provider of this kind needs `prefix`",
        ),
        (
            "kind: memory}",
            "kind: memory, prefix: x}",
            "providers[4]: a provider of this kind takes no `prefix`",
        ),
        ("path: app.yaml", "path: app.wasm", "providers[2]: file failed: the configuration file"),
        (
            "values: {allow: \"db, more-*\"}",
            "values: {alow: db}",
            "actors[0].bindings[0]: the provider refuses",
        ),
        (
            "provider: settings, values: {prefix: app}",
            "provider: settings, values: {prefix: \"a:b\"}",
            "actors[0].bindings[2]: the provider refuses",
        ),
        ("level: warn", "level: loud", "actors[0].bindings[6]: the provider refuses"),
        ("stream: audit}", "stream: \"\"}", "actors[0].events[0]: the stream has no name"),
        (
            "binding: mine, group: all",
            "binding: nobody",
            "actors[0].events[1]: the actor has no wascc:eventstreams",
        ),
        ("binding: mine, group: all", "group: all", "actors[0].events[1]: the actor"),
        ("binding: mine, group: all", "binding: mine, group: a b", "actors[0].events[1]: the queue group"),
    ] {
        assert!(text.contains(from), "{from}");
        let text = text.replacen(from, to, 1);
        let error = folder.start(&text).await.expect_err(to);
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert_eq!(folder.check(&text).await.expect_err(to), error);
    }
}

#[tokio::test]
async fn providers_on_servers_are_connected_to() {
    let (Some(nats), Some(redis)) =
        (NatsServer::start_or_skip().expect("it starts"), RedisServer::start_or_skip().expect("it starts"))
    else {
        return;
    };
    let folder = Folder::new();
    let granted = caps(&["wascc:keyvalue", "wascc:messaging", "wascc:eventstreams", "pillion:configuration"]);
    folder.sign("mailbox.wasm", &KeyPair::new_module(), &mailbox(), granted);
    let text = format!(
        r#"
providers:
  - {{name: store, kind: redis, url: "{redis}"}}
  - {{name: nats, kind: nats, url: "{nats}"}}
  - {{name: jetstream, kind: jetstream, url: "{nats}"}}
  - {{name: streams, kind: redis-streams, url: "{redis}"}}
  - {{name: events, kind: redis-events, url: "{redis}"}}
  - {{name: settings, kind: configuration-redis, url: "{redis}"}}
actors:
  - module: mailbox.wasm
    bindings:
      - {{provider: store}}
      - {{provider: nats}}
      - {{name: durable, provider: jetstream}}
      - {{name: redis, provider: streams}}
      - {{provider: events}}
      - {{provider: settings}}
    subscriptions:
      - {{topic: one}}
      - {{binding: durable, topic: two, group: all}}
      - {{binding: redis, topic: three, group: all, deadLetter: dead}}
    events: [{{stream: four, group: all}}]
"#,
        redis = redis.url(),
        nats = nats.url(),
    );
    let running = folder.start(&text).await.expect("it starts");
    let info = &running.host().inventory().actors[0];
    let providers: Vec<_> = info.bindings.iter().map(|it| it.provider).collect();
    assert_eq!(providers, ["redis", "nats", "jetstream", "redis_streams", "redis", "redis"]);
    assert_eq!(info.event_streams, ["four"]);
    assert_eq!(info.subscriptions, ["one", "two", "three"]);
    running.stop().await;
    drop((nats, redis));
    let error = folder.start(&text).await.expect_err("the servers are gone");
    assert!(error.starts_with("providers[0]: "), "{error}");
}

#[tokio::test]
async fn a_chain_of_trust_comes_from_files() {
    let (operator, account, module) =
        (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_module());
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).expect("written");
    let body = SignerClaims::default();
    let issue = |claims| identity::issue(&claims, &operator).expect("a token");
    write("operator.jwt", format!("{}\n", issue(Claims::new(&operator, &operator, body.clone()))).as_bytes());
    write("account.jwt", issue(Claims::new(&operator, &account, body)).as_bytes());
    let claims = Claims::new(&account, &module, ActorClaims::default());
    write("app.wasm", &identity::sign(&keyvalue(), claims, &account).expect("signed"));
    let start = async |text: String| {
        let manifest = parse(&text, &[]).expect("a manifest");
        Running::start(&manifest, directory.path()).await.map_err(|error| error.to_string())
    };
    let operator = operator.public_key();
    let whole = format!(
        "trustedOperators: [{operator}]\ntokens: [operator.jwt, account.jwt]\nactors: [{{module: app.wasm}}]"
    );
    let running = start(whole.clone()).await.expect("it is vouched for");
    assert_eq!(running.host().actors().len(), 1);
    for broken in [whole.replace(", account.jwt", ""), whole.replace("trustedOperators", "trustedIssuers")] {
        let error = start(broken).await.expect_err("nobody vouches for it");
        assert!(error.starts_with("actors[0].module: the module is refused"), "{error}");
    }
    let error = start(whole.replace("account.jwt", "app.wasm")).await.expect_err("no token");
    assert!(error.starts_with("tokens[1]: "), "{error}");
}

#[tokio::test]
async fn what_cannot_be_made_true_is_named_with_its_place() {
    let folder = Folder::new();
    folder.sign("plain.wasm", &KeyPair::new_module(), &keyvalue(), caps(&["wascc:keyvalue"]));
    fs::write(folder.directory.path().join("raw.wasm"), keyvalue()).expect("written");
    for (text, expected) in [
        ("actors: [{module: missing.wasm}]", "actors[0].module: "),
        ("actors: [{module: raw.wasm}]", "actors[0].module: the module is refused: the module is not signed"),
        ("actors: [{module: plain.wasm}, {module: plain.wasm}]", "actors[1].module: the actor"),
        (
            "actors: [{module: plain.wasm, bindings: [{provider: nobody}]}]",
            "actors[0].bindings[0]: there is no provider \"nobody\"",
        ),
        (
            "providers: [{name: b, kind: memory-bus}]\nactors: [{module: plain.wasm, bindings: [{provider: b}]}]",
            "actors[0].bindings[0]: the actor's claims do not grant wascc:messaging",
        ),
        ("actors: [{module: plain.wasm, calls: [nobody]}]", "actors[0].calls[0]: there is no actor"),
        (
            "actors: [{module: plain.wasm, http: {listen: \"127.0.0.1:0\"}}]",
            "actors[0].http: the actor's claims do not grant wascc:http_server",
        ),
        ("providers: [{name: a, kind: redis}]", "providers[0]: a provider of this kind needs `url`"),
        (
            "providers: [{name: a, kind: memory, path: x}]",
            "providers[0]: a provider of this kind takes no `path`",
        ),
        (
            "providers: [{name: a, kind: memory}, {name: a, kind: memory}]",
            "providers[1]: there is a provider \"a\"",
        ),
        (
            "providers: [{name: a, kind: memory, allowPrivate: true}]",
            "providers[0]: a provider of this kind takes neither `allow` nor `allowPrivate`",
        ),
        (
            "providers: [{name: a, kind: http-client, allow: [\"http://example.com\"]}]",
            "providers[0]: \"http://example.com\" names no host that may be reached",
        ),
        ("providers: [{name: a, kind: files}]", "providers[0]: a provider of this kind needs `path`"),
        ("policies: [missing.rego]", "policies: the policy file"),
    ] {
        let error = folder.start(text).await.expect_err(text);
        assert!(error.contains(expected), "{error}");
        let checked = folder.check(text).await.expect_err(text);
        assert_eq!(checked, error);
    }
}

#[tokio::test]
async fn a_check_has_no_effect() {
    let folder = Folder::new();
    let granted = caps(&["wascc:keyvalue", "wascc:messaging", "wascc:blobstore", "wascc:http_server"]);
    folder.sign("app.wasm", &KeyPair::new_module(), &http_echo(200), granted);
    let objects = folder.directory.path().join("objects");
    fs::create_dir(&objects).expect("made");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let text = format!(
        r#"
cache: cache
providers:
  - {{name: file, kind: redb, path: store.redb}}
  - {{name: objects, kind: files, path: objects}}
  - {{name: bus, kind: memory-bus}}
actors:
  - module: app.wasm
    bindings: [{{provider: file}}, {{provider: bus}}, {{provider: objects}}]
    subscriptions: [{{topic: inbox, deadLetter: dead}}]
    http: {{listen: "{}"}}
"#,
        taken.local_addr().expect("it listens"),
    );
    let inventory = folder.check(&text).await.expect("nothing is wrong with it");
    let providers: Vec<_> = inventory.actors[0].bindings.iter().map(|it| it.provider).collect();
    assert_eq!(providers, ["redb", "memory", "files"]);
    let files: Vec<_> = fs::read_dir(folder.directory.path()).expect("a folder").collect();
    assert_eq!(files.len(), 2, "{files:?}");
    assert_eq!(fs::read_dir(objects).expect("a folder").count(), 0);
    folder.start(&text).await.expect_err("somebody listens there");

    for (from, to, expected) in [
        ("path: store.redb", "path: missing/store.redb", "providers[0]: there is no folder"),
        ("path: objects", "path: missing", "providers[1]: there is no folder"),
        ("topic: inbox", "topic: \"\"", "actors[0].subscriptions[0]: "),
        ("topic: inbox, deadLetter: dead}", "topic: a}, {topic: a}", "actors[0].subscriptions[1]: the actor"),
        ("topic: inbox", "topic: inbox, binding: other", "actors[0].subscriptions[0]: the actor has no"),
        ("listen: \"127.0.0.1", "listen: \"nowhere", "actors[0].http: nowhere"),
        ("cache: cache", "cache: app.wasm", "cache: "),
    ] {
        assert!(text.contains(from), "{from}");
        let error = folder.check(&text.replace(from, to)).await.expect_err(to);
        assert!(error.contains(expected), "{error}");
    }
}
