//! Rules that say which of a subscription's paths an event is for.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, Value};
use serde_json::Value as Json;

use super::event::Event;
use crate::expression::{Expression, shown};

/// A path, and the events that it is for.
pub(crate) struct Rule {
    /// None is all.
    matches: Option<Match>,
    pub(crate) path: String,
}

/// A condition, as it is written and as it is asked.
struct Match {
    text: String,
    expression: Expression,
}

/// What is known to every condition.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

// === impl Rule ===

impl Rule {
    /// A path for what matches; an empty condition is met by all.
    ///
    /// # Errors
    /// A condition that is no expression of CEL.
    pub(crate) fn new(condition: &str, path: impl Into<String>) -> Result<Self, String> {
        let path = path.into();
        if condition.trim().is_empty() {
            return Ok(Self { matches: None, path });
        }
        let expression = Expression::parse(condition)
            .map_err(|error| format!("the rule {:?} is no expression of CEL: {error}", shown(condition)))?;
        Ok(Self { matches: Some(Match { text: condition.to_owned(), expression }), path })
    }

    /// The condition as it is written; empty where it is met by all.
    pub(crate) fn condition(&self) -> &str {
        self.matches.as_ref().map_or("", |matches| &matches.text)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (self.condition(), &self.path) == (other.condition(), &other.path)
    }
}

impl Eq for Rule {}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rule").field("match", &self.condition()).field("path", &self.path).finish()
    }
}

// === free functions ===

/// The path of the first rule that an event meets.
///
/// # Errors
/// A condition that cannot be asked of this event, as one about a field that it has not.
pub(super) fn route<'a>(rules: &'a [Rule], event: &Event<'_>) -> Result<Option<&'a str>, String> {
    let mut context = None;
    for rule in rules {
        let Some(Match { text, expression }) = &rule.matches else { return Ok(Some(&rule.path)) };
        let context = match &mut context {
            Some(context) => context,
            none => none.insert(about(event)?),
        };
        match expression.evaluate(context) {
            Ok(Value::Bool(true)) => return Ok(Some(&rule.path)),
            Ok(Value::Bool(false)) => {}
            Ok(_) => {
                return Err(format!("the result of match expression {} was not a boolean", shown(text)));
            }
            // It may show what the event has.
            Err(error) => {
                let error = error.to_string();
                return Err(format!("match expression {} failed: {}", shown(text), shown(&error)));
            }
        }
    }
    Ok(None)
}

fn about(event: &Event<'_>) -> Result<Context<'static, 'static>, String> {
    let fields = event.value()?.into_iter().map(|(name, value)| (Key::from(name), given(value)));
    let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
    context.add_variable_from_value("event", Value::Map(Map { map: Arc::new(fields.collect()) }));
    Ok(context)
}

/// A JSON value as CEL has it. Whole numbers are whole, so that they can be compared with such in a rule.
fn given(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(truth),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::UInt(number),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Arc::new(text)),
        Json::Array(items) => Value::List(Arc::new(items.into_iter().map(given).collect())),
        Json::Object(fields) => {
            let fields: HashMap<Key, Value> =
                fields.into_iter().map(|(name, value)| (Key::from(name), given(value))).collect();
            Value::Map(Map { map: Arc::new(fields) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &[u8] = br#"{"type":"widget","data":{"n":2,"x":1.5,"big":18446744073709551615,"tags":["a","b"],"no":null,"on":true}}"#;

    fn met(condition: &str) -> Result<bool, String> {
        let rules = [Rule::new(condition, "/matched")?];
        Ok(route(&rules, &Event::read(EVENT).unwrap())?.is_some())
    }

    #[test]
    fn rules_are_asked_in_their_order() {
        let rules: Vec<_> =
            [("event.type == 'gadget'", "/g"), ("event.type == \"widget\"", "/w"), ("", "/rest")]
                .map(|(condition, path)| Rule::new(condition, path).unwrap())
                .into();
        let event = Event::read(EVENT).unwrap();
        assert_eq!(route(&rules, &event), Ok(Some("/w")));
        assert_eq!(route(&rules[..1], &event), Ok(None));
        assert_eq!(route(&rules, &Event::read(b"{\"type\":1}").unwrap()), Ok(Some("/rest")));
        assert_eq!(route(&[], &event), Ok(None));
    }

    #[test]
    fn numbers_lists_and_fields_compare() {
        for (condition, expected) in [
            ("event.data.n == 2", true),
            ("event.data.n > 1 && event.data.n <= 2", true),
            ("event.data.n > 1.5", true),
            ("event.data.x < 2", true),
            ("event.data.x == 1.5", true),
            ("event.data.big > 1", true),
            ("int(event.data.n) == 2", true),
            ("'a' in event.data.tags && size(event.data.tags) == 2", true),
            ("event.data.tags.exists(tag, tag.startsWith('c'))", false),
            ("has(event.data.missing)", false),
            ("has(event.subject) && event.subject == 'x'", false),
            ("event.data.no == null", true),
            ("event.data.on", true),
            ("event.type.matches('^wid.et$')", true),
            ("event.type.contains('dge') || event['type'] == 'x'", true),
        ] {
            assert_eq!(met(condition), Ok(expected), "{condition}");
        }
    }

    #[test]
    fn what_cannot_be_asked_is_an_error() {
        assert!(met("event.missing == 1").unwrap_err().contains("event.missing == 1"));
        assert!(met("event.type").unwrap_err().contains("was not a boolean"));
        assert!(met("nothing == 1").is_err());
        for wrong in
            ["event.type ==", "((", "'", "event..type", "\u{0}", &"(".repeat(10_000), &"!".repeat(10_000)]
        {
            let shown: String = wrong.chars().take(20).collect();
            let error = Rule::new(wrong, "/").unwrap_err();
            assert!(error.len() < 2_000, "{shown}: {error}");
        }
        // Neither a long rule nor what is in an event makes a long error.
        let long = "x".repeat(5_000);
        let text = format!(r#"{{"type":"{long}"}}"#);
        for condition in [
            format!("event.type == '{long}' ? 1 : 2"),
            "event.type + 1 == 2".to_owned(),
            format!("event.{long}"),
        ] {
            let rules = [Rule::new(&condition, "/").unwrap()];
            let error = route(&rules, &Event::read(text.as_bytes()).unwrap()).unwrap_err();
            assert!(error.len() < 1_000, "{error}");
        }
    }
}
