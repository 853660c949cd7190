//! From a component file to bindings.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Uri;
use pillion_capabilities::httpclient::{Hyper, Options, Rule};

use super::Opening;
use crate::bindings::input::{InputBinding, Schedule, Source};
use crate::bindings::{Http, HttpSettings, LocalStorage, Output, OutputBinding, Token, duration};
use crate::component::{ComponentError, Components};
use crate::flags::{is_true, size};

/// What Dapr's client does.
const REDIRECTS: usize = 10;
/// Dapr's own bound of a response's body.
const RESPONSE_BODY: usize = 100 << 20;
/// A request that takes longer is given up, unless the component says otherwise. Dapr waits for ever.
const TIMEOUT: Duration = Duration::from_secs(60);

const HTTP: &[&str] = &[
    "url",
    "responseTimeout",
    "maxResponseBodySize",
    "errorIfNot2XX",
    "securityToken",
    "securityTokenHeader",
    "MTLSRootCA",
    "direction",
    "route",
];

/// Opens what a component stands for, and adds it; answers what metadata says of it.
pub(super) fn binding(
    opening: &Opening<'_>,
    components: &mut Components,
) -> Result<&'static [&'static str], ComponentError> {
    let direction =
        Direction::parse(opening.manifest.setting("direction")).map_err(|said| opening.wrong(said))?;
    let output = match opening.manifest.kind.as_str() {
        "bindings.cron" => return cron(opening, direction, components),
        "bindings.http" => Output::Http(http(opening)?),
        "bindings.localstorage" => {
            opening.knows(&["rootPath", "direction", "route"]);
            let path = opening.required("rootPath", "the folder with the files")?;
            Output::LocalStorage(LocalStorage::open(path).map_err(|message| opening.wrong(message))?)
        }
        _ => return Err(opening.unknown()),
    };
    if !direction.output {
        let (file, name) = (opening.file.display(), &opening.manifest.name);
        tracing::warn!("{file}: component {name} has no input, and its direction says that it is no output");
        return Ok(&[]);
    }
    components.outputs.add(&opening.manifest.name, Arc::new(OutputBinding::new(output)));
    Ok(&["OUTPUT_BINDING"])
}

/// Which ways a binding goes: all, unless the component says something of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Direction {
    input: bool,
    output: bool,
    /// Whether it is said.
    said: bool,
}

// === impl Direction ===

impl Direction {
    fn parse(setting: Option<&str>) -> Result<Self, String> {
        let Some(setting) = setting else { return Ok(Self { input: true, output: true, said: false }) };
        let mut direction = Self { input: false, output: false, said: true };
        for way in setting.split(',') {
            match way.trim().to_ascii_lowercase().as_str() {
                "input" => direction.input = true,
                "output" => direction.output = true,
                _ => return Err(format!("setting direction: {way:?} is neither input nor output")),
            }
        }
        Ok(direction)
    }
}

fn cron(
    opening: &Opening<'_>,
    direction: Direction,
    components: &mut Components,
) -> Result<&'static [&'static str], ComponentError> {
    let manifest = opening.manifest;
    opening.knows(&["schedule", "route", "direction"]);
    let schedule = opening.required("schedule", "when it is due, as @every 10s or */5 * * * *")?;
    let schedule =
        Schedule::parse(schedule).map_err(|said| opening.wrong(format!("setting schedule: {said}")))?;
    if !direction.input {
        let (file, name) = (opening.file.display(), &manifest.name);
        tracing::warn!("{file}: component {name} has no output, and its direction says that it is no input");
        return Ok(&[]);
    }
    let binding = InputBinding {
        name: manifest.name.clone(),
        route: manifest.setting("route").unwrap_or(&manifest.name).to_owned(),
        certain: direction.said,
        source: Source::Cron(schedule),
        inbound: None,
        meter: OnceLock::new(),
    };
    components.inputs.add(&manifest.name, Arc::new(binding));
    Ok(&["INPUT_BINDING"])
}

fn http(opening: &Opening<'_>) -> Result<Http, ComponentError> {
    let manifest = opening.manifest;
    opening.knows(HTTP);
    let wrong = |setting: &str, reason: String| opening.wrong(format!("setting {setting}: {reason}"));
    let url = opening.required("url", "the server, as https://example.com/path")?;
    let mut options = Options::default();
    options.allow = vec![rule(url).map_err(|reason| wrong("url", reason))?];
    // The component names the host; where it is, is for whoever wrote that.
    options.allow_private = true;
    options.redirects = REDIRECTS;
    options.response_body = RESPONSE_BODY;
    if let Some(text) = manifest.setting("maxResponseBodySize") {
        options.response_body = size(text).map_err(|reason| wrong("maxResponseBodySize", reason))?;
    }
    options.timeout = TIMEOUT;
    if let Some(text) = manifest.setting("responseTimeout") {
        let timeout = duration(text).filter(|timeout| !timeout.is_zero());
        let said = || wrong("responseTimeout", format!("{text:?} is no time; write one such as 10s"));
        options.timeout = timeout.ok_or_else(said)?;
    }
    if let Some(authority) = manifest.setting("MTLSRootCA") {
        options.authorities = pem(authority).map_err(|reason| wrong("MTLSRootCA", reason))?;
    }
    let token = match (manifest.setting("securityTokenHeader"), manifest.setting("securityToken")) {
        (Some(header), Some(value)) => Some(Token { header: header.to_owned(), value: value.to_owned() }),
        (None, None) => None,
        _ => return Err(opening.wrong("securityToken and securityTokenHeader go together".to_owned())),
    };
    let client = Hyper::new(options).map_err(|error| opening.failed(error))?;
    let settings = HttpSettings {
        url: url.to_owned(),
        error_if_not_2xx: manifest.setting("errorIfNot2XX").is_none_or(is_true),
        token,
    };
    Ok(Http::new(Arc::new(client), settings))
}

/// The rule that lets the client reach the server of a URL and nobody else.
fn rule(url: &str) -> Result<Rule, String> {
    let wrong = || "this is no URL of a server; write it as https://example.com/path".to_owned();
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    let port = match (uri.scheme_str(), uri.port_u16()) {
        (Some("http"), port) => port.unwrap_or(80),
        (Some("https"), port) => port.unwrap_or(443),
        _ => return Err(wrong()),
    };
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
    format!("{host}:{port}").parse().map_err(|_| wrong())
}

/// A certificate in PEM, or in the file of this name.
fn pem(text: &str) -> Result<Vec<u8>, String> {
    if text.trim_start().starts_with("-----BEGIN") {
        return Ok(text.as_bytes().to_vec());
    }
    std::fs::read(text).map_err(|error| format!("{text}: {error}"))
}
