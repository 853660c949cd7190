//! Names what the cells that clear a threshold have in common, or those that do not.

use std::collections::BTreeSet;

use crate::results::CellKey;
use crate::words;

type Factor = fn(&CellKey) -> String;

const FACTORS: [Factor; 5] = [
    |cell| cell.provider.clone(),
    |cell| cell.placement_words().to_owned(),
    |cell| cell.workload.clone(),
    |cell| format!("values of {}", words::payload(cell.payload)),
    CellKey::subject,
];

/// How many values a condition may list before it is no longer one.
const LISTED: usize = 4;

/// The condition under which cells clear: `only with …`, or `all but …` where those that do not clear are
/// fewer. They are named by the fewest factors whose values tell the two sides apart, else one by one.
pub(crate) fn name(cells: &[CellKey], clears: &[bool]) -> String {
    let clear = clears.iter().filter(|clear| **clear).count();
    let (named, words) = if cells.len() - clear < clear { (false, "all but") } else { (true, "only with") };
    format!("{words} {}", list(cells, clears, named).join("; "))
}

/// The cells that clear or, where `named` is false, those that do not, in as few words as tell them from the
/// others.
fn list(cells: &[CellKey], clears: &[bool], named: bool) -> Vec<String> {
    let side = |wanted: bool| {
        cells.iter().zip(clears).filter(move |(_, clear)| **clear == wanted).map(|(cell, _)| cell)
    };
    let single = FACTORS.iter().map(|factor| vec![*factor]);
    let pairs =
        FACTORS.iter().enumerate().flat_map(|(index, a)| FACTORS[index + 1..].iter().map(|b| vec![*a, *b]));
    for factors in single.chain(pairs) {
        let value = |cell: &CellKey| factors.iter().map(|factor| factor(cell)).collect::<Vec<_>>().join(", ");
        let own: BTreeSet<String> = side(named).map(value).collect();
        let others: BTreeSet<String> = side(!named).map(value).collect();
        if own.is_disjoint(&others) && own.len() <= LISTED {
            return own.into_iter().collect();
        }
    }
    let mut listed: Vec<String> = side(named).map(CellKey::words).collect();
    let more = listed.len().saturating_sub(LISTED);
    listed.truncate(LISTED);
    if more > 0 {
        listed.push(format!("and {}", words::counted(more as u64, "more cell")));
    }
    listed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(provider: &str, placement: &'static str, payload: u64) -> CellKey {
        CellKey {
            workload: "kv-get".into(),
            payload,
            calls: None,
            provider: provider.into(),
            placement,
            load: "service".into(),
        }
    }

    #[test]
    fn one_factor_is_named_alone() {
        let cells = [cell("memory", "same-core", 16), cell("memory", "free", 16), cell("redis", "free", 16)];
        assert_eq!(name(&cells, &[false, false, true]), "only with redis");
    }

    #[test]
    fn two_factors_are_named_together() {
        let cells = [cell("memory", "free", 16), cell("memory", "same-core", 16), cell("redis", "free", 16)];
        assert_eq!(name(&cells, &[true, false, false]), "only with memory, free placement");
    }

    #[test]
    fn the_cells_that_do_not_clear_are_named_where_they_are_fewer() {
        let cells = [cell("memory", "same-core", 16), cell("memory", "free", 16), cell("redis", "free", 16)];
        assert_eq!(name(&cells, &[true, true, false]), "all but redis");
        let cells = [16, 64, 1024].map(|payload| cell("memory", "free", payload));
        assert_eq!(name(&cells, &[true, true, false]), "all but values of 1 KiB");
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let cells: Vec<CellKey> = (0..10).map(|payload| cell("memory", "free", payload)).collect();
        let clears: Vec<bool> = (0..10).map(|index| index % 2 == 0).collect();
        assert!(name(&cells, &clears).ends_with("; and 1 more cell"), "{}", name(&cells, &clears));
    }
}
