//! `middleware.http.routeralias`: paths by other names.

use std::collections::BTreeMap;

use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;

/// Paths, and what they stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Aliases(Vec<Alias>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Alias {
    segments: Vec<Segment>,
    path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Text(String),
    /// `{name}`: any segment, which becomes a part of the query.
    Any(String),
}

// === impl Aliases ===

impl Aliases {
    /// Reads a component's settings: `routes`, a text of JSON; or each a path, as it was first.
    pub(crate) fn new(settings: &[(String, String)]) -> Result<Self, String> {
        let mut aliases = Vec::new();
        for (name, value) in settings {
            if name.starts_with('/') {
                aliases.push(Alias::new(name, value)?);
            } else if name.eq_ignore_ascii_case("routes") {
                let routes: BTreeMap<String, String> =
                    serde_json::from_str(value).map_err(|error| format!("setting routes: {error}"))?;
                for (name, path) in routes {
                    aliases.push(Alias::new(&name, &path)?);
                }
            }
        }
        Ok(Self(aliases))
    }

    pub(super) fn rename(&self, head: &mut Parts) {
        let path: Vec<&str> = head.uri.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let found = self.0.iter().find_map(|alias| Some((alias, alias.values(&path)?)));
        let Some((alias, values)) = found else { return };
        let mut text = alias.path.clone();
        let query = head.uri.query().into_iter().map(str::to_owned);
        for part in query.chain(values.into_iter().map(|(name, value)| format!("{name}={value}"))) {
            text.push(if text.contains('?') { '&' } else { '?' });
            text.push_str(&part);
        }
        let mut parts = std::mem::take(&mut head.uri).into_parts();
        // What came in a path may be in a query.
        if let Ok(renamed) = PathAndQuery::try_from(text) {
            parts.path_and_query = Some(renamed);
        }
        head.uri = Uri::from_parts(parts).unwrap_or_default();
    }
}

// === impl Alias ===

impl Alias {
    fn new(name: &str, path: &str) -> Result<Self, String> {
        let wrong = |text: &str| format!("the route {name:?} leads to {path:?}: {text}");
        if !name.starts_with('/') || !path.starts_with('/') {
            return Err(wrong("both begin with a slash"));
        }
        PathAndQuery::try_from(path).map_err(|error| wrong(&error.to_string()))?;
        let segments = name.split('/').filter(|segment| !segment.is_empty()).map(|segment| {
            match segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) {
                Some(name) => Segment::Any(name.to_owned()),
                None => Segment::Text(segment.to_owned()),
            }
        });
        Ok(Self { segments: segments.collect(), path: path.to_owned() })
    }

    /// What its variable segments are in a path, if it is one of this alias's.
    fn values<'a>(&'a self, path: &[&'a str]) -> Option<Vec<(&'a str, &'a str)>> {
        if path.len() != self.segments.len() {
            return None;
        }
        let mut values = Vec::new();
        for (segment, &found) in self.segments.iter().zip(path) {
            match segment {
                Segment::Text(text) if text == found => {}
                Segment::Text(_) => return None,
                Segment::Any(name) => values.push((name.as_str(), found)),
            }
        }
        Some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_by_another_name_is_the_same() {
        let routes = r#"{"/mall/{id}/info": "/v1.0/invoke/srv/method/info", "/x/{a}/{b}": "/y?c=1"}"#;
        let settings = [("routes", routes), ("/old", "/v1.0/invoke/old/method/x")];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let aliases = Aliases::new(&settings).unwrap();
        for (path, expected) in [
            ("/mall/7/info", "/v1.0/invoke/srv/method/info?id=7"),
            ("/mall/7/info?x=1", "/v1.0/invoke/srv/method/info?x=1&id=7"),
            ("/x/1/2", "/y?c=1&a=1&b=2"),
            ("/old", "/v1.0/invoke/old/method/x"),
            ("/old?", "/v1.0/invoke/old/method/x?"),
            ("/mall/7", "/mall/7"),
            ("/other?x", "/other?x"),
        ] {
            let (mut head, ()) = http::Request::get(path).body(()).unwrap().into_parts();
            aliases.rename(&mut head);
            assert_eq!(head.uri.to_string(), expected, "{path}");
        }
        for (name, value) in [("routes", "[]"), ("routes", r#"{"a": "/b"}"#), ("/a", "b"), ("/a", "/b c")] {
            assert!(Aliases::new(&[(name.to_owned(), value.to_owned())]).is_err(), "{name} {value}");
        }
    }
}
