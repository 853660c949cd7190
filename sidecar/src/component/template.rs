//! What may stand in settings in place of what only the sidecar knows.

use std::path::Path;

use uuid::Uuid;

use super::{ComponentError, Manifest};
use crate::Flags;

/// What is looked for, and what it stands for.
const TAGS: [(&str, Tag); 4] = [
    ("{uuid}", Tag::Uuid),
    ("{podName}", Tag::PodName),
    ("{namespace}", Tag::Namespace),
    ("{appID}", Tag::AppId),
];

#[derive(Clone, Copy, Debug)]
enum Tag {
    /// One that nobody else has, each time that it stands there.
    Uuid,
    /// The variable `POD_NAME`.
    PodName,
    /// The namespace and the app's id, as `production.orders`, as Dapr has it.
    Namespace,
    AppId,
}

/// A component with what its settings' tags stand for. To be called each time that it is opened, and for nothing else: with
/// `{uuid}` it is another one each time.
///
/// # Errors
/// A tag for which there is nothing.
pub(super) fn filled(manifest: &Manifest, file: &Path, flags: &Flags) -> Result<Manifest, ComponentError> {
    let mut filled = manifest.clone();
    for (setting, value) in &mut filled.settings {
        *value = fill(value, flags).map_err(|reason| ComponentError::Setting {
            file: file.to_owned(),
            name: manifest.name.clone(),
            message: format!("setting {setting}: {reason}"),
        })?;
    }
    Ok(filled)
}

/// From left to right, so that what a tag stands for is not looked at for others.
fn fill(text: &str, flags: &Flags) -> Result<String, String> {
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let found = TAGS.iter().find_map(|(tag, what)| Some((what, from.strip_prefix(tag)?)));
        let Some((tag, after)) = found else {
            filled.push('{');
            rest = from.get(1..).unwrap_or_default();
            continue;
        };
        match tag {
            Tag::Uuid => filled.push_str(&Uuid::new_v4().to_string()),
            Tag::PodName => filled.push_str(flags.pod_name.as_deref().ok_or(
                "it names {podName}, and the variable POD_NAME is not set; set it, or use {uuid} or {appID}",
            )?),
            Tag::Namespace => {
                filled.push_str(flags.namespace.as_deref().unwrap_or("default"));
                filled.push('.');
                filled.push_str(&flags.app_id);
            }
            Tag::AppId => filled.push_str(&flags.app_id),
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_filled_once_and_nothing_else_is_touched() {
        let mut flags = Flags::local("a{uuid}");
        flags.pod_name = Some("pod-0".to_owned());
        for (text, filled) in [
            ("", ""),
            ("plain", "plain"),
            ("{appID}", "a{uuid}"),
            ("x-{appID}-{podName}{podName}", "x-a{uuid}-pod-0pod-0"),
            ("{namespace}", "default.a{uuid}"),
            ("{appid} {unknown} {{appID}} {", "{appid} {unknown} {a{uuid}} {"),
            ("{ä{podName}", "{äpod-0"),
        ] {
            assert_eq!(fill(text, &flags).unwrap(), filled, "{text}");
        }
        flags.namespace = Some("production".to_owned());
        assert_eq!(fill("{namespace}", &flags).unwrap(), "production.a{uuid}");
        let two = fill("{uuid} {uuid}", &flags).unwrap();
        let (first, second) = two.split_once(' ').unwrap();
        assert_ne!(Uuid::parse_str(first).unwrap(), Uuid::parse_str(second).unwrap());
        flags.pod_name = None;
        assert!(fill("{podName}", &flags).unwrap_err().contains("POD_NAME is not set"));
    }
}
