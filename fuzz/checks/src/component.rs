//! Files of the sidecar's components.

use std::path::Path;

use pillion_sidecar::component::parse;

/// Any text is read as components or refused with its file's name, and what is read has a name and a type.
pub fn component(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse(text, Path::new("stranger.yaml")) {
        Err(error) => assert!(error.to_string().contains("stranger.yaml"), "{error}"),
        Ok(components) => {
            for component in components {
                for (name, value) in &component.settings {
                    // The last word on a setting is its first: names are taken in any case.
                    let found = component.setting(&name.to_uppercase());
                    let first = component.settings.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
                    let first = first.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty());
                    assert_eq!(found, first, "{name}: {value}");
                }
                if let Some(block) = component.building_block() {
                    assert!(component.kind.starts_with(block), "{block} of {}", component.kind);
                }
            }
        }
    }
    // A text stays what it is, whatever it looks like.
    let quoted = serde_json::to_string(text).expect("a text is JSON");
    let file = format!(
        "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {{name: n}}\nspec: {{type: state.x, version: v1, metadata: \
         [{{name: s, value: {quoted}}}]}}\n"
    );
    // YAML takes fewer characters than JSON, so that some texts are refused.
    if let Ok(components) = parse(&file, Path::new("own.yaml")) {
        assert_eq!(components[0].setting("S").unwrap_or_default(), text);
    }
}
