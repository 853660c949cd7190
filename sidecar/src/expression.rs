//! Expressions of CEL, in which rules, circuit breakers and checks of paths are written.

use std::borrow::Cow;
use std::thread;

use cel::common::ast::{EntryExpr, Expr};
use cel::parser::PrattParser;
use cel::{Context, IdedExpr, ParseErrors, ResolveResult, Value};

/// One that was read.
pub(crate) struct Expression(IdedExpr);

/// The longest that is read, in bytes.
const LONGEST: usize = 8 << 10;
/// How deep what is in it may be nested: what comes of it is found by recursion, on the stack of whoever asks.
const DEEPEST: usize = 128;
/// Room enough for the parser, which recurses too, and by no limit for some operators, on the longest.
const STACK: usize = 64 << 20;
/// So many bytes of a text are shown in an error, and so many of what is wrong with it.
const SHOWN: usize = 256;
const SHOWN_ERRORS: usize = 3;

// === impl Expression ===

impl Expression {
    /// Reads it, by the parser of the crate that is written by hand: the other one is ANTLR's, which is half a megabyte of code
    /// as soon as anybody compiles a [`cel::Program`].
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("it has {} bytes, and {LONGEST} is the most", text.len()));
        }
        let text = text.to_owned();
        let reading =
            thread::Builder::new().name("cel".to_owned()).stack_size(STACK).spawn(move || read(&text));
        let reading = reading.map_err(|error| format!("no thread to read it on: {error}"))?;
        reading.join().unwrap_or_else(|_| Err("its parser gave up".to_owned())).map(Self)
    }

    /// What it comes to.
    pub(crate) fn evaluate(&self, context: &Context<'_, '_>) -> ResolveResult {
        Value::resolve(&self.0, context)
    }
}

// === free functions ===

/// As much of a text as an error needs.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN {
        return Cow::Borrowed(text);
    }
    let start = text.get(..text.floor_char_boundary(SHOWN)).unwrap_or_default();
    Cow::Owned(format!("{start}… ({} bytes)", text.len()))
}

fn read(text: &str) -> Result<IdedExpr, String> {
    let expression = PrattParser::new().parse(text).map_err(|errors| told(&errors))?;
    if is_deep(&expression) {
        return Err(format!("it is nested more than {DEEPEST} deep"));
    }
    Ok(expression)
}

/// The first errors, each with its line and column; the parser's own words repeat the whole text with each.
fn told(ParseErrors { errors }: &ParseErrors) -> String {
    let mut told: Vec<String> = errors
        .iter()
        .take(SHOWN_ERRORS)
        .map(|error| format!("{}:{}: {}", error.pos.0, error.pos.1, shown(&error.msg)))
        .collect();
    if errors.len() > SHOWN_ERRORS {
        told.push(format!("and {} more", errors.len() - SHOWN_ERRORS));
    }
    told.join("; ")
}

fn is_deep(expression: &IdedExpr) -> bool {
    let mut left = vec![(expression, 1)];
    while let Some((expression, depth)) = left.pop() {
        if depth > DEEPEST {
            return true;
        }
        let mut add = |within| left.push((within, depth + 1));
        match &expression.expr {
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
            Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).for_each(add),
            Expr::Select(select) => add(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(add),
            Expr::Comprehension(each) => {
                [&each.iter_range, &each.accu_init, &each.loop_cond, &each.loop_step, &each.result]
                    .into_iter()
                    .for_each(add);
            }
            Expr::Map(cel::common::ast::MapExpr { entries })
            | Expr::Struct(cel::common::ast::StructExpr { entries, .. }) => {
                for entry in entries {
                    match &entry.expr {
                        EntryExpr::StructField(field) => add(&field.value),
                        EntryExpr::MapEntry(entry) => {
                            add(&entry.key);
                            add(&entry.value);
                        }
                    }
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of about this length that are nested in each way.
    fn nested(length: usize) -> [(&'static str, String); 14] {
        let of = |start: &str, part: &str, end: &str, close: &str| {
            let count = length.saturating_sub(start.len() + end.len()) / (part.len() + close.len());
            format!("{start}{}{end}{}", part.repeat(count), close.repeat(count))
        };
        [
            ("ternary", of("", "true?1:", "1", "")),
            ("condition", of("", "true?(", "1", "):1")),
            ("sum", of("1", "+1", "", "")),
            ("comparison", of("1", "<1", "", "")),
            ("unary", of("", "!-", "1", "")),
            ("fields", of("a", ".a", "", "")),
            ("index", of("[1]", "[0]", "", "")),
            ("calls", of("a", ".f()", "", "")),
            ("macros", of("[1]", ".map(a,a)", "", "")),
            ("parentheses", of("", "(1+", "1", ")")),
            ("lists", of("", "[", "1", "]")),
            ("maps", of("", "{1:", "1", "}")),
            ("functions", of("", "size(", "1", ")")),
            ("loops", of("", "[1].all(a,", "true", ")")),
        ]
    }

    #[test]
    fn the_longest_is_refused_and_not_crashed_on_however_it_is_nested() {
        for (way, text) in nested(LONGEST) {
            let error = Expression::parse(&text).err();
            let error = error.unwrap_or_else(|| panic!("{way} was taken"));
            assert!(error.contains("nested") || error.contains("recursion limit"), "{way}: {error}");
            assert!(error.len() < 1_000, "{way}: {error}");
        }
        let error = Expression::parse(&format!("true{}", " ".repeat(LONGEST))).err().unwrap();
        assert_eq!(error, format!("it has {} bytes, and {LONGEST} is the most", LONGEST + 4));
    }

    /// On the stack of a test's thread, which is as small as that of one that delivers.
    #[test]
    fn what_is_read_comes_to_something_on_an_ordinary_stack() {
        let mut read = [0; 14];
        for length in (4..1_500).step_by(7) {
            for (count, (_, text)) in read.iter_mut().zip(nested(length)) {
                if let Ok(expression) = Expression::parse(&text) {
                    let _ = expression.evaluate(&Context::default());
                    *count += 1;
                }
            }
        }
        assert!(read.iter().all(|count| *count > 2), "{read:?}");
        // Many conditions are no depth.
        let many = vec!["true"; LONGEST / 8].join("||");
        assert_eq!(
            Expression::parse(&many).ok().unwrap().evaluate(&Context::default()),
            Ok(Value::Bool(true))
        );
    }

    #[test]
    fn an_error_tells_the_place_and_shows_little_of_the_text() {
        let wrong = format!("'{}' + é", "é".repeat(3_000));
        let error = Expression::parse(&wrong).err().unwrap();
        assert!(error.starts_with("1:") && error.len() < 1_000, "{error}");
        let error = Expression::parse(&format!("[{}]", "?, ".repeat(2_000))).err().unwrap();
        assert!(error.ends_with(" more") && error.len() < 1_500, "{error}");
        assert_eq!(shown("short"), "short");
        assert_eq!(shown(&format!("a{}", "é".repeat(200))), format!("a{}… (401 bytes)", "é".repeat(127)));
    }
}
