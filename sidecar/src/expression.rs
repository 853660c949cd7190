//! Expressions of CEL, in which rules, circuit breakers and checks of paths are written.

use cel::parser::PrattParser;
use cel::{Context, IdedExpr, ResolveResult, Value};

/// One that was read.
pub(crate) struct Expression(IdedExpr);

// === impl Expression ===

impl Expression {
    /// Reads it, by the parser of the crate that is written by hand: the other one is ANTLR's, which is half a megabyte of code
    /// as soon as anybody compiles a [`cel::Program`].
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        PrattParser::new().parse(text).map(Self).map_err(|error| error.to_string())
    }

    /// What it comes to.
    pub(crate) fn evaluate(&self, context: &Context<'_, '_>) -> ResolveResult {
        Value::resolve(&self.0, context)
    }
}
