//! `middleware.http.routerchecker`: paths that are as they should be.

use std::fmt;

use cel::{Context, Value};

use crate::expression::Expression;

/// Takes requests whose path matches a regular expression.
pub(crate) struct Checker {
    rule: String,
    /// The language of rules elsewhere in Dapr has regular expressions, so that no other library is needed.
    matching: Expression,
}

// === impl Checker ===

impl Checker {
    /// Reads the rule.
    pub(crate) fn new(rule: &str) -> Result<Self, String> {
        let matching = Expression::parse("path.matches(rule)")?;
        let checker = Self { rule: rule.to_owned(), matching };
        checker.matches("/").map(|_| ()).map_err(|error| format!("setting rule: {rule:?}: {error}"))?;
        Ok(checker)
    }

    pub(super) fn admits(&self, path: &str) -> bool {
        self.matches(path).unwrap_or(false)
    }

    fn matches(&self, path: &str) -> Result<bool, String> {
        let mut context = Context::default();
        context.add_variable_from_value("path", path);
        context.add_variable_from_value("rule", self.rule.as_str());
        match self.matching.evaluate(&context) {
            Ok(Value::Bool(matches)) => Ok(matches),
            Ok(other) => Err(format!("it comes to {other:?}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checker").field("rule", &self.rule).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_to_match() {
        let checker = Checker::new("^[A-Za-z0-9/._-]+$").unwrap();
        assert!(checker.admits("/v1.0/invoke/a/method/b") && !checker.admits("/v1.0/%20"));
        assert!(Checker::new("(").unwrap_err().starts_with("setting rule: \"(\": "));
    }
}
