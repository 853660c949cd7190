//! Components are reloaded while the sidecar runs.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;

use serde_json::json;
use tempfile::TempDir;

use crate::sidecar::{MEMORY, Sidecar, bare, first_line};
use crate::wire::{self, Answer, At};
use crate::yaml::{component, configuration};

/// A sidecar whose log is read.
struct Logged {
    child: Child,
    at: At,
    said: mpsc::Receiver<String>,
    resources: TempDir,
}

// === impl Logged ===

impl Logged {
    fn start(files: &[(&str, &str)], arguments: &[&str]) -> Self {
        let resources = TempDir::new().unwrap();
        for (name, text) in files {
            fs::write(resources.path().join(name), text).unwrap();
        }
        let free = ["--app-id=app", "--dapr-http-port=0", "--dapr-grpc-port=0", "--enable-metrics=false"];
        let mut command = bare(free);
        command.arg("--resources-path").arg(resources.path()).args(arguments);
        let (mut child, ready) = first_line(command.stderr(Stdio::piped()));
        let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
        let (say, said) = mpsc::channel();
        let errors = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            // Until the process, or the test, has ended.
            errors.lines().map_while(Result::ok).try_for_each(|line| say.send(line))
        });
        let at = At::Tcp(ready["http"].as_str().unwrap().to_owned());
        Self { child, at, said, resources }
    }

    fn hangup(&self) {
        let mut kill = std::process::Command::new("kill");
        assert!(kill.arg("-HUP").arg(self.child.id().to_string()).status().unwrap().success());
    }

    /// Waits for a line of the log.
    fn until_said(&self, wanted: &str) -> String {
        self.said.iter().find(|line| line.contains(wanted)).unwrap()
    }

    fn replace(&self, file: &str, text: &str) {
        replace(&self.resources.path().join(file), text);
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        wire::call(&self.at, method, path, &[], body).await
    }

    async fn names(&self) -> Vec<String> {
        let metadata = self.call("GET", "/v1.0/metadata", "").await.json();
        let components = metadata["components"].as_array().unwrap().iter();
        components.map(|component| component["name"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn replace(file: &Path, text: &str) {
    let other = file.with_extension("new");
    fs::write(&other, text).unwrap();
    fs::rename(other, file).unwrap();
}

const SAVE: &str = r#"[{"key":"k","value":1}]"#;

#[tokio::test]
async fn a_signal_has_the_files_looked_at() {
    let off = TempDir::new().unwrap();
    let config = off.path().join("config.yaml");
    fs::write(&config, configuration("  features:\n  - name: HotReload\n    enabled: false\n")).unwrap();
    let other = MEMORY.replace("name: store", "name: other");
    let files = [("a.yaml", MEMORY), ("b.yaml", other.as_str())];
    let sidecar = Logged::start(&files, &["--config", config.to_str().unwrap()]);
    for store in ["store", "other"] {
        sidecar.call("POST", &format!("/v1.0/state/{store}"), SAVE).await.is_empty();
    }
    // One is new, one another one, and one as it was, with all that is in it.
    sidecar.replace("b.yaml", &format!("{other}  metadata: [{{name: keyPrefix, value: none}}]\n"));
    sidecar.replace("c.yaml", &component("new", "lock.in-memory", &[]));
    sidecar.hangup();
    let said = sidecar.until_said("components were reloaded");
    assert!(said.contains("new or changed [other, new], gone []"), "{said}");
    assert_eq!(sidecar.names().await, ["store", "other", "new"]);
    assert_eq!(&sidecar.call("GET", "/v1.0/state/store/k", "").await.body[..], b"1");
    sidecar.call("GET", "/v1.0/state/other/k", "").await.is_empty();
    let lock = r#"{"resourceId":"r","lockOwner":"o","expiryInSeconds":60}"#;
    assert_eq!(sidecar.call("POST", "/v1.0-alpha1/lock/new", lock).await.json(), json!({"success": true}));

    // One is gone; the lock is held all the same.
    fs::remove_file(sidecar.resources.path().join("a.yaml")).unwrap();
    sidecar.hangup();
    let said = sidecar.until_said("components were reloaded");
    assert!(said.contains("new or changed [], gone [store]"), "{said}");
    sidecar.call("GET", "/v1.0/state/store/k", "").await.failed(400, "ERR_STATE_STORE_NOT_FOUND");
    assert_eq!(sidecar.call("POST", "/v1.0-alpha1/lock/new", lock).await.json(), json!({"success": false}));
}

#[tokio::test]
async fn files_are_watched() {
    let sidecar = Sidecar::memory();
    sidecar.call("POST", "/v1.0/state/store", SAVE).await.is_empty();
    let resources = sidecar.folder().join("resources");
    replace(&resources.join("other.yaml"), &MEMORY.replace("name: store", "name: other"));
    while sidecar.call("GET", "/v1.0/state/other/k", "").await.status.as_u16() != 204 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(&sidecar.call("GET", "/v1.0/state/store/k", "").await.body[..], b"1");
    fs::remove_file(resources.join("other.yaml")).unwrap();
    while sidecar.call("GET", "/v1.0/state/other/k", "").await.status.as_u16() != 400 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(&sidecar.call("GET", "/v1.0/state/store/k", "").await.body[..], b"1");
}

#[tokio::test]
async fn what_is_broken_leaves_all_as_it_was() {
    let sidecar = Logged::start(&[("a.yaml", MEMORY)], &[]);
    sidecar.call("POST", "/v1.0/state/store", SAVE).await.is_empty();
    let unknown = MEMORY.replace("in-memory", "oracle");
    for (broken, reason) in [
        ("kind: [", "a.yaml"),
        (unknown.as_str(), "has type state.oracle, which this sidecar does not know"),
        (&MEMORY.replace("in-memory", "redb"), "setting path is missing"),
        (&MEMORY.replace("in-memory", "redis"), "setting redisHost is missing"),
        (
            &format!(
                "{MEMORY}  metadata: [{{name: keyPrefix, secretKeyRef: {{name: x}}}}]\nauth: {{secretStore: no}}\n"
            ),
            "names secret store no",
        ),
    ] {
        sidecar.replace("a.yaml", broken);
        let said = sidecar.until_said("is not taken");
        assert!(said.contains("ERROR") && said.contains(reason), "{said}");
        assert_eq!(&sidecar.call("GET", "/v1.0/state/store/k", "").await.body[..], b"1");
    }
    // The others are taken all the same.
    sidecar.replace("b.yaml", &component("new", "lock.in-memory", &[]));
    assert!(sidecar.until_said("components were reloaded").contains("[new], gone []"));
    // One name is one component: the first stays.
    sidecar.replace("a.yaml", MEMORY);
    sidecar.replace("c.yaml", MEMORY);
    let said = sidecar.until_said("two components are named store");
    assert!(said.contains("is not taken"), "{said}");
    assert_eq!(&sidecar.call("GET", "/v1.0/state/store/k", "").await.body[..], b"1");
    assert_eq!(sidecar.names().await, ["store", "new"]);
}

/// What `{uuid}` stands for is another thing each time, which makes no other component.
#[tokio::test]
async fn tags_are_no_change() {
    let store = component("store", "state.in-memory", &[("keyPrefix", "{uuid}")]);
    let sidecar = Logged::start(&[("a.yaml", &store)], &[]);
    sidecar.call("POST", "/v1.0/state/store", SAVE).await.is_empty();
    sidecar.replace("b.yaml", &component("new", "lock.in-memory", &[]));
    let said = sidecar.until_said("components were reloaded");
    assert!(said.contains("new or changed [new], gone []"), "{said}");
    assert_eq!(&sidecar.call("GET", "/v1.0/state/store/k", "").await.body[..], b"1");
    // One that cannot be filled in leaves what was there.
    sidecar.replace("a.yaml", &component("store", "state.in-memory", &[("keyPrefix", "{podName}")]));
    let said = sidecar.until_said("is not taken");
    assert!(said.contains("component store: setting keyPrefix: it names {podName}"), "{said}");
    assert_eq!(&sidecar.call("GET", "/v1.0/state/store/k", "").await.body[..], b"1");
}

/// A secret that changed is taken with the next look at the files.
#[tokio::test]
async fn secrets_are_looked_up_anew() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secrets.json");
    fs::write(&file, r#"{"prefix": "one"}"#).unwrap();
    let vault = component("vault", "secretstores.local.file", &[("secretsFile", file.to_str().unwrap())]);
    let store = format!(
        "---\n{MEMORY}  metadata: [{{name: keyPrefix, secretKeyRef: {{name: prefix}}}}]\nauth: {{secretStore: vault}}\n"
    );
    let sidecar = Logged::start(&[("a.yaml", &(store + &vault))], &[]);
    sidecar.hangup();
    sidecar.until_said("looking for changes of components");
    fs::write(&file, r#"{"prefix": "two"}"#).unwrap();
    sidecar.hangup();
    let said = sidecar.until_said("components were reloaded");
    assert!(said.contains("new or changed [store], gone []"), "{said}");
}

/// A store that is gone takes the subscriptions to it along.
#[tokio::test]
async fn a_subscription_ends_with_its_store() {
    let folder = TempDir::new().unwrap();
    let values = folder.path().join("values.json");
    fs::write(&values, "{}").unwrap();
    let sidecar = Sidecar::memory();
    let file = sidecar.folder().join("resources/store.yaml");
    replace(&file, &component("config", "configuration.local.file", &[("path", values.to_str().unwrap())]));
    let mut client = wire::grpc(&sidecar.grpc()).await;
    let request = dapr::dapr::proto::runtime::v1::SubscribeConfigurationRequest {
        store_name: "config".to_owned(),
        ..Default::default()
    };
    let mut stream = loop {
        if let Ok(stream) = client.subscribe_configuration(request.clone()).await {
            break stream.into_inner();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    assert!(stream.message().await.unwrap().is_some());
    fs::remove_file(file).unwrap();
    assert!(stream.message().await.unwrap().is_none());
}

/// Only one may have the file of a database open: it passes from what was there to what a reload opens.
#[tokio::test]
async fn a_database_goes_on_where_its_component_becomes_another() {
    let folder = TempDir::new().unwrap();
    let (file, link) = (folder.path().join("store.redb"), folder.path().join("link.redb"));
    let of = |name: &str, file: &Path, prefix: &str| {
        component(name, "state.redb", &[("path", file.to_str().unwrap()), ("keyPrefix", prefix)])
    };
    let sidecar = Logged::start(&[("a.yaml", &of("store", &file, "appid"))], &[]);
    // Whatever a look at the files comes to.
    let reloaded = |what: &str| {
        let said = sidecar.until_said("components ");
        assert!(said.contains("components were reloaded") && said.contains(what), "{said}");
    };
    sidecar.call("POST", "/v1.0/state/store", SAVE).await.is_empty();
    // Another setting.
    sidecar.replace("a.yaml", &of("store", &file, "none"));
    reloaded("new or changed [store], gone []");
    sidecar.call("GET", "/v1.0/state/store/k", "").await.is_empty();
    sidecar.replace("a.yaml", &of("store", &file, "appid"));
    reloaded("");
    assert_eq!(&sidecar.call("GET", "/v1.0/state/store/k", "").await.body[..], b"1");
    // Another name.
    sidecar.replace("a.yaml", &of("other", &file, "appid"));
    reloaded("new or changed [other], gone [store]");
    assert_eq!(&sidecar.call("GET", "/v1.0/state/other/k", "").await.body[..], b"1");
    // Two at a time, whatever each calls the file.
    std::os::unix::fs::symlink(&file, &link).unwrap();
    sidecar.replace("b.yaml", &of("second", &link, "appid"));
    reloaded("new or changed [second], gone []");
    assert_eq!(&sidecar.call("GET", "/v1.0/state/second/k", "").await.body[..], b"1");
    // And let go with the last of them.
    for name in ["a.yaml", "b.yaml"] {
        assert!(pillion_capabilities::Redb::open(&file).is_err());
        fs::remove_file(sidecar.resources.path().join(name)).unwrap();
        reloaded("new or changed [], gone");
    }
    while pillion_capabilities::Redb::open(&file).is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
