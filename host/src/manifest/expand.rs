//! Environment variables in a manifest.

use super::ManifestError;

/// Replaces `${NAME}` and `${NAME:DEFAULT}`; `$${` stands for `${`. Lines stay where they are.
pub(super) fn expand(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<String, ManifestError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &from[2..];
            continue;
        }
        expanded.push_str(before);
        let line = text[..text.len() - from.len()].matches('\n').count() + 1;
        let wrong = |reason: String| ManifestError::Expansion { line, reason };
        let inner = from[2..]
            .find(['}', '\n'])
            .map(|end| &from[2..2 + end])
            .filter(|inner| from[2 + inner.len()..].starts_with('}'))
            .ok_or_else(|| wrong("`${` has no `}` on its line; write $${ for ${ itself".to_owned()))?;
        let (name, default) = match inner.split_once(':') {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty() || !name.bytes().all(letters) {
            return Err(wrong(format!("{name:?} is no name of an environment variable")));
        }
        match (variable(name), default) {
            (Some(value), _) if value.contains(char::is_control) => {
                return Err(wrong(format!("the value of {name} has line breaks or control characters")));
            }
            (Some(value), _) => expanded.push_str(&value),
            (None, Some(default)) => expanded.push_str(default),
            (None, None) => return Err(ManifestError::Variable { name: name.to_owned(), line }),
        }
        rest = &from[2 + inner.len() + 1..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}
