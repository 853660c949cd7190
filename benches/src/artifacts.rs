//! Sizes of what is deployed, by section.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use object::{Object as _, ObjectSection as _};
use pillion_records::{Artifact, Section};
use wasmparser::{KnownCustom, Parser, Payload};

/// Custom sections that stay in a stripped module: the claims, without which the host refuses it.
const CLAIMS: [&str; 2] = ["jwt", "wasmcloud_jwt"];

/// The size of a signed module.
///
/// # Errors
/// The file cannot be read, or is no module.
pub fn module(name: &str, language: &str, path: &Path) -> Result<Artifact, String> {
    let bytes = read(path)?;
    let wrong = |error: wasmparser::BinaryReaderError| format!("{}: {error}", path.display());
    let mut sections: Vec<Section> = Vec::new();
    let mut stripped = bytes.get(..8).unwrap_or_default().to_vec();
    let mut before = 8;
    for payload in Parser::new(0).parse_all(&bytes) {
        let payload = payload.map_err(wrong)?;
        let (name, end) = match &payload {
            Payload::CustomSection(custom) => (format!("custom {}", custom.name()), custom.range().end),
            other => match other.as_section() {
                Some((id, range)) => (section_name(id).to_owned(), range.end),
                None => continue,
            },
        };
        let end = end as usize;
        // From the end of the section before, so that its header counts with it.
        let whole = bytes.get(before..end).unwrap_or_default();
        let kept = match &payload {
            Payload::CustomSection(custom) => CLAIMS.contains(&custom.name()),
            _ => true,
        };
        if kept {
            stripped.extend_from_slice(whole);
        }
        sections.push(Section { name, bytes: whole.len() as u64 });
        before = end;
    }
    Ok(artifact(name, "module", language, &bytes, &stripped, sections))
}

/// The bytes that `wasm-opt -Oz` of binaryen makes of a module; `None` where there is none, or it refuses the module. It is
/// looked for among what `scripts/setup guests` installs, and on the path.
#[must_use]
pub fn optimized(path: &Path, root: &Path) -> Option<u64> {
    let own = root.join("target/toolchains/assemblyscript/node_modules/.bin/wasm-opt");
    let program = if own.is_file() { own } else { PathBuf::from("wasm-opt") };
    let out = tempfile::NamedTempFile::new().ok()?;
    let done = Command::new(program)
        .args(["-Oz", "--all-features", "--strip-debug", "--strip-producers", "-o"])
        .args([out.path(), path])
        .stdin(Stdio::null())
        .output();
    let bytes = done.ok().filter(|done| done.status.success()).and_then(|_| fs::metadata(out.path()).ok())?;
    Some(bytes.len())
}

/// The size of an executable, which the release profile has stripped of its symbols.
///
/// # Errors
/// The file cannot be read, or is no executable.
pub fn executable(name: &str, path: &Path) -> Result<Artifact, String> {
    let bytes = read(path)?;
    let file =
        object::File::parse(bytes.as_slice()).map_err(|error| format!("{}: {error}", path.display()))?;
    let sections = file.sections().filter_map(|section| {
        let bytes = section.file_range().map_or(0, |(_, size)| size);
        let name = section.name().ok()?.to_owned();
        (bytes > 0).then_some(Section { name, bytes })
    });
    Ok(artifact(name, "executable", "Rust", &bytes, &bytes, sections.collect()))
}

/// The compiler that an executable names in its `.comment`.
pub(crate) fn compiler_of_executable(path: &Path) -> Option<String> {
    let bytes = fs::read(path).ok()?;
    let file = object::File::parse(bytes.as_slice()).ok()?;
    let comment = file.section_by_name(".comment")?.data().ok()?;
    comment.split(|&byte| byte == 0).find_map(|text| {
        let text = String::from_utf8_lossy(text);
        text.contains("rustc").then(|| text.into_owned())
    })
}

/// The compiler that a module names among its producers.
pub(crate) fn compiler_of_module(bytes: &[u8]) -> Option<String> {
    for payload in Parser::new(0).parse_all(bytes) {
        let Ok(Payload::CustomSection(custom)) = payload else { continue };
        let KnownCustom::Producers(fields) = custom.as_known() else { continue };
        for field in fields.into_iter().flatten() {
            for value in field.values.into_iter().flatten() {
                if value.name == "rustc" {
                    return Some(format!("rustc {}", value.version));
                }
            }
        }
    }
    None
}

fn artifact(
    name: &str,
    kind: &str,
    language: &str,
    raw: &[u8],
    stripped: &[u8],
    sections: Vec<Section>,
) -> Artifact {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let gzip = gzip.write_all(stripped).and_then(|()| gzip.finish()).map_or(0, |bytes| bytes.len());
    let zstd = zstd::bulk::compress(stripped, 19).map_or(0, |bytes| bytes.len());
    Artifact {
        name: name.into(),
        kind: kind.into(),
        language: language.into(),
        raw: raw.len() as u64,
        stripped: stripped.len() as u64,
        gzip: gzip as u64,
        zstd: zstd as u64,
        optimized: None,
        sections,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// The names of the core specification.
fn section_name(id: u8) -> &'static str {
    const NAMES: [&str; 14] = [
        "custom",
        "type",
        "import",
        "function",
        "table",
        "memory",
        "global",
        "export",
        "start",
        "element",
        "code",
        "data",
        "data count",
        "tag",
    ];
    NAMES.get(usize::from(id)).copied().unwrap_or("unknown")
}
