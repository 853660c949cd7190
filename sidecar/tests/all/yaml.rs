//! Component files of tests.

/// A component of any type with these settings.
pub(crate) fn component(name: &str, kind: &str, settings: &[(&str, &str)]) -> String {
    let mut text = format!(
        "---\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata:\n  name: {name}\nspec:\n  type: {kind}\n  \
         version: v1\n  metadata:\n"
    );
    for (setting, value) in settings {
        let value = serde_json::to_string(value).unwrap();
        text.push_str(&format!("  - name: {setting}\n    value: {value}\n"));
    }
    text
}

/// A Configuration with this `spec`, whose lines are indented by two blanks.
pub(crate) fn configuration(spec: &str) -> String {
    format!("apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata:\n  name: c\nspec:\n{spec}")
}
