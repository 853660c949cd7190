//! Which names are names, and which of them a query asks for.

use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Bound;

use super::{LONGEST_NAME, LONGEST_PAGE, Page, Query};
use crate::{Error, Result};

/// The first names of a query in order, chosen out of any number in any order.
pub(super) struct First<'a> {
    query: &'a Query,
    /// One more than the limit, by which it is known that there is another page.
    names: BinaryHeap<String>,
}

// === impl First ===

impl<'a> First<'a> {
    pub(super) fn of(query: &'a Query) -> Self {
        Self { query, names: BinaryHeap::new() }
    }

    /// Whether the name would be among the first of those offered so far.
    pub(super) fn wants(&self, name: &str) -> bool {
        let Query { prefix, after, limit } = self.query;
        let full = self.names.len() > *limit;
        name.starts_with(prefix)
            && after.as_deref().is_none_or(|after| name > after)
            && !(full && self.names.peek().is_some_and(|last| *name >= **last))
    }

    pub(super) fn offer(&mut self, name: &str) {
        if !self.wants(name) {
            return;
        }
        self.names.push(name.to_owned());
        if self.names.len() > self.query.limit + 1 {
            self.names.pop();
        }
    }

    /// The names, and where the next page goes on.
    pub(super) fn page(self) -> Page<String> {
        let mut items = self.names.into_sorted_vec();
        let more = items.len() > self.query.limit;
        items.truncate(self.query.limit);
        let next = if more { items.last().cloned() } else { None };
        Page { items, next }
    }
}

// === free functions ===

/// The page of the names of a map.
pub(super) fn page_of<T>(query: &Query, map: &BTreeMap<String, T>) -> Page<String> {
    // No name that is asked for comes before these, and those with the prefix stand side by side.
    let from = query.after.as_deref().unwrap_or_default().max(&query.prefix);
    let names = map.range::<str, _>((Bound::Included(from), Bound::Unbounded)).map(|(name, _)| name);
    let mut first = First::of(query);
    // The name to go on from may be among them, and one more shows whether there is another page.
    let names = names.take_while(|name| name.starts_with(&query.prefix)).take(query.limit + 2);
    names.for_each(|name| first.offer(name));
    first.page()
}

/// Refuses what is no container's name.
pub(super) fn check_container(name: &str) -> Result<()> {
    if name.contains('/') || name.starts_with('.') {
        return refused("container", name, "has a / or begins with a dot");
    }
    check("container", name)
}

/// Refuses what is no object's name.
pub(super) fn check_object(name: &str) -> Result<()> {
    check("object", name)
}

/// Refuses what is no name of either.
pub(super) fn check_names(container: &str, object: &str) -> Result<()> {
    check_container(container)?;
    check_object(object)
}

/// Refuses a page that is empty or too long. A prefix and the name to go on from may be any text: they are only
/// compared.
pub(super) fn check_query(query: &Query) -> Result<()> {
    if (1..=LONGEST_PAGE).contains(&query.limit) {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!(
        "{} names cannot be listed at a time; ask for 1 to {LONGEST_PAGE}",
        query.limit
    )))
}

fn check(what: &str, name: &str) -> Result<()> {
    if name.len() > LONGEST_NAME {
        return refused(what, &name[..name.floor_char_boundary(LONGEST_NAME)], "begins so and is too long");
    }
    if name.contains(|character: char| character == '\\' || character.is_control()) {
        return refused(what, name, "has a backslash or a control character");
    }
    if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return refused(what, name, "has a segment that is empty, . or ..");
    }
    Ok(())
}

fn refused(what: &str, name: &str, why: &str) -> Result<()> {
    Err(Error::InvalidArgument(format!(
        "{name:?} {why}, and so is no name of a {what}; name it with up to {LONGEST_NAME} bytes of plain text"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_no_names() {
        let long = "x".repeat(LONGEST_NAME + 1);
        let wide = "ж".repeat(LONGEST_NAME);
        let hostile = [
            "",
            ".",
            "..",
            "/",
            "/etc/passwd",
            "../x",
            "x/..",
            "x/../y",
            "a//b",
            "a/",
            "./a",
            "a/./b",
            "a\0b",
            "\0",
            "a\\b",
            "..\\x",
            "\\\\host\\share",
            "a\nb",
            "a\u{7f}",
            "a\u{85}",
            &long,
            &wide,
        ];
        for name in hostile {
            assert!(matches!(check_object(name), Err(Error::InvalidArgument(_))), "{name:?}");
            assert!(matches!(check_container(name), Err(Error::InvalidArgument(_))), "{name:?}");
        }
        for name in [".hidden", "a/b", "..."] {
            assert!(check_container(name).is_err(), "{name:?}");
            assert_eq!(check_object(name), Ok(()), "{name:?}");
        }
        for name in ["a", "a b", "ключ", "a..b", "100%", "C:", "~", "$HOME", "-rf", &long[1..]] {
            assert_eq!(check_names(name, name), Ok(()), "{name:?}");
        }
    }

    #[test]
    fn pages_go_on_where_the_one_before_ended() {
        let names = ["b", "a/2", "a", "a/1", "c", "a-"];
        let map = names.iter().map(|&name| (name.to_owned(), ())).collect();
        let mut query = Query { prefix: "a".to_owned(), after: None, limit: 2 };
        let mut pages = Vec::new();
        loop {
            let mut first = First::of(&query);
            names.iter().for_each(|name| first.offer(name));
            let page = first.page();
            assert_eq!(page, page_of(&query, &map));
            pages.push(page.items);
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(pages, [["a", "a-"], ["a/1", "a/2"]]);
    }
}
