//! The description of the API over HTTP, `docs/openapi.yaml`, and the sidecar: each as the other has it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::clients::{Language, Stage};

#[derive(Deserialize)]
struct Description {
    paths: BTreeMap<String, BTreeMap<String, IgnoredAny>>,
}

fn description() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.yaml")
}

/// The methods and paths of the description, with names in them that lead to components of a whole stage.
pub(crate) fn operations() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(description()).unwrap();
    let description: Description = serde_norway::from_str(&text).unwrap();
    let mut operations = Vec::new();
    for (path, item) in description.paths {
        let store = ["secrets", "configuration", "lock"]
            .into_iter()
            .find(|block| path.contains(&format!("{block}/")))
            .map_or("store", |block| if block == "lock" { "locks" } else { block });
        let concrete = path.replace("{store}", store).replace("{name}", "web").replace("{app}", "app");
        let concrete = concrete.replace("{pubsub}", "pubsub").replace(['{', '}'], "");
        for method in item.into_keys().filter(|key| key != "parameters") {
            operations.push((method.to_uppercase(), concrete.clone()));
        }
    }
    assert!(operations.len() > 30, "{operations:?}");
    operations
}

/// Requests by the description, valid and not, are answered as it says.
#[tokio::test]
async fn the_sidecar_answers_as_its_description_says() {
    if !Language::Python.is_there() {
        return;
    }
    let Some(stage) = Stage::whole(&[], "secret").await else { return };
    let tool = PathBuf::from(Language::Python.interpreter().unwrap().as_std().get_program())
        .with_file_name("schemathesis");
    let mut command = tokio::process::Command::new(tool);
    command
        .arg("--config-file")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/schemathesis.toml"));
    command.arg("run").arg(description()).arg("--url").arg(format!("http://{}", stage.sidecar.text("http")));
    command.args([
        "--header",
        "dapr-api-token: secret",
        "--no-color",
        "--phases",
        "examples,coverage,fuzzing",
    ]);
    // It keeps what it found in the folder where it runs.
    let output = command.current_dir(stage.sidecar.folder()).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    stage.sidecar.call("GET", "/v1.0/healthz", "").await.is_empty();
    let mut lines = said.lines().rev().take(12).collect::<Vec<_>>();
    lines.reverse();
    eprintln!("{}", lines.join("\n"));
}
