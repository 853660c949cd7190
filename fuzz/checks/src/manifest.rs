//! Manifests.

use pillion_host::manifest::Manifest;

/// Any text as a manifest, and any text as the value of a variable in one.
///
/// A variable's value stays what it is, whatever it looks like; and what is JSON is read as that, or not at all.
pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = Manifest::parse(text, |name| Some(format!("${{{name}}}: [{text}")));
    // As JSON, a list would do for an object by the order of its keys; a manifest takes none.
    if !text.contains("${")
        && let (Ok(read), Ok(json)) = (&read, serde_json::from_str::<Manifest>(text))
    {
        assert_eq!(*read, json, "what is JSON is read as that");
    }
    let held =
        Manifest::parse("labels: {a: \"${V}\"}", |_| Some(text.to_owned())).expect("a text is a label");
    assert_eq!(held.labels["a"], text);
    let fallback = Manifest::parse("labels: {a: \"${V:left out}\"}", |_| None).expect("it has a default");
    assert_eq!(fallback.labels["a"], "left out");
}
