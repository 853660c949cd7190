//! What the hash of a file in a bundle is of.
//!
//! OPA hashes files as they are, but for those whose content is data: of them it hashes the data, so that white space and
//! the order of keys do not matter. That is JSON without white space, its keys in the order of their bytes, numbers as
//! they are written, and strings as Go's `encoding/json` writes them without regard to HTML.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::value::RawValue;

/// Values within one another; more is an attack.
const DEEPEST: usize = 128;

/// What is hashed of a file of that name.
pub(super) fn canonical(name: &str, content: &[u8]) -> Result<Vec<u8>, String> {
    let base = name.rsplit('/').next().unwrap_or_default();
    if !matches!(base, "data.json" | "data.yaml" | "data.yml" | ".manifest") {
        return Ok(content.to_owned());
    }
    let mut out = String::with_capacity(content.len());
    // As OPA does, whatever the name says.
    let json: Result<&RawValue, _> = serde_json::from_slice(content);
    match json {
        Ok(value) => write_json(&mut out, value, 0)?,
        Err(_) => {
            let value: serde_norway::Value =
                serde_norway::from_slice(content).map_err(|error| error.to_string())?;
            let value = serde_json::to_value(value).map_err(|error| error.to_string())?;
            write_yaml(&mut out, &value);
        }
    }
    Ok(out.into_bytes())
}

fn write_json(out: &mut String, value: &RawValue, depth: usize) -> Result<(), String> {
    if depth > DEEPEST {
        return Err(format!("more than {DEEPEST} values within one another"));
    }
    let text = value.get();
    let wrong = |error: serde_json::Error| error.to_string();
    match text.as_bytes().first() {
        Some(b'{') => {
            let entries: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(wrong)?;
            out.push('{');
            for (number, (key, value)) in entries.into_iter().enumerate() {
                separate(out, number);
                write_text(out, &key);
                out.push(':');
                write_json(out, value, depth + 1)?;
            }
            out.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
            out.push('[');
            for (number, item) in items.into_iter().enumerate() {
                separate(out, number);
                write_json(out, item, depth + 1)?;
            }
            out.push(']');
        }
        Some(b'"') => write_text(out, &serde_json::from_str::<String>(text).map_err(wrong)?),
        // Numbers stay as they are written.
        _ => out.push_str(text),
    }
    Ok(())
}

/// Of YAML, numbers are what they mean.
fn write_yaml(out: &mut String, value: &serde_json::Value) {
    match value {
        serde_json::Value::Object(entries) => {
            out.push('{');
            let entries: BTreeMap<_, _> = entries.iter().collect();
            for (number, (key, value)) in entries.into_iter().enumerate() {
                separate(out, number);
                write_text(out, key);
                out.push(':');
                write_yaml(out, value);
            }
            out.push('}');
        }
        serde_json::Value::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                separate(out, number);
                write_yaml(out, item);
            }
            out.push(']');
        }
        serde_json::Value::String(text) => write_text(out, text),
        serde_json::Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => write_float(out, float),
            None => _ = write!(out, "{number}"),
        },
        other => _ = write!(out, "{other}"),
    }
}

fn separate(out: &mut String, number: usize) {
    if number > 0 {
        out.push(',');
    }
}

fn write_text(out: &mut String, text: &str) {
    let quoted = serde_json::Value::from(text).to_string();
    // Go writes these two as JavaScript wants them.
    out.push_str(&quoted.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"));
}

/// As Go writes a number: with an exponent only where it is very small or very large, which has a sign then.
fn write_float(out: &mut String, float: f64) {
    let size = float.abs();
    let written = if size == 0.0 || (1e-6..1e21).contains(&size) {
        write!(out, "{float}")
    } else {
        let text = format!("{float:e}");
        match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => write!(out, "{digits}e+{exponent}"),
            _ => write!(out, "{text}"),
        }
    };
    // Writing to a string does not fail.
    let _ = written;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_hashed_without_regard_to_how_it_is_laid_out() {
        for (name, content, expected) in [
            ("data.json", "{ \"b\" : [1, 2.50, 1E3, -0], \"a\": null }", r#"{"a":null,"b":[1,2.50,1E3,-0]}"#),
            ("x/data.json", r#"{"\u00e9":"<&>\u2028\n\u0001/"}"#, "{\"é\":\"<&>\\u2028\\n\\u0001/\"}"),
            (".manifest", "{\"roots\": [\"a\"],\n \"revision\": \"\"}", r#"{"revision":"","roots":["a"]}"#),
            (
                "data.yaml",
                "b: 1.50\na: [yes, 'x', 3, 1e21, 0.0000001]",
                r#"{"a":["yes","x",3,1e+21,1e-7],"b":1.5}"#,
            ),
            ("data.yaml", "{\"b\": 1.50}", r#"{"b":1.50}"#),
            ("other.json", "{ \"a\": 1 }", "{ \"a\": 1 }"),
            ("a.rego", " package a\n", " package a\n"),
        ] {
            let hashed = canonical(name, content.as_bytes()).unwrap();
            assert_eq!(String::from_utf8(hashed).unwrap(), expected, "{name}");
        }
        canonical("data.json", b"{").unwrap_err();
        canonical("data.json", &[b'['; 100_000]).unwrap_err();
    }
}
