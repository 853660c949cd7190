//! Manifests.

use pillion_host::manifest::Manifest;

/// Any text as a manifest, and any text as the value of a variable in one.
///
/// A variable's value stays what it is, whatever it looks like; and what is JSON is read as that.
pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = Manifest::parse(text, |name| Some(format!("${{{name}}}: [{text}")));
    if !text.contains("${")
        && let Ok(json) = serde_json::from_str::<Manifest>(text)
    {
        assert_eq!(read.as_ref(), Ok(&json), "YAML is a superset of JSON");
    }
    let held =
        Manifest::parse("labels: {a: \"${V}\"}", |_| Some(text.to_owned())).expect("a text is a label");
    assert_eq!(held.labels["a"], text);
    let fallback = Manifest::parse("labels: {a: \"${V:left out}\"}", |_| None).expect("it has a default");
    assert_eq!(fallback.labels["a"], "left out");
}
