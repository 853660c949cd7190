//! Names what the cells that clear a threshold have in common.

use std::collections::BTreeSet;

use crate::results::CellKey;

type Factor = fn(&CellKey) -> String;

const FACTORS: [Factor; 4] = [
    |cell| cell.provider.clone(),
    |cell| cell.placement_words().to_owned(),
    |cell| cell.workload.clone(),
    CellKey::subject,
];

/// How many values a condition may list before it is no longer one.
const LISTED: usize = 4;

/// The fewest factors whose values tell the cells that clear from those that do not, in words; else a list of cells.
pub(crate) fn name(cells: &[CellKey], clears: &[bool]) -> String {
    let single = FACTORS.iter().map(|factor| vec![*factor]);
    let pairs =
        FACTORS.iter().enumerate().flat_map(|(index, a)| FACTORS[index + 1..].iter().map(|b| vec![*a, *b]));
    for factors in single.chain(pairs) {
        let value = |cell: &CellKey| factors.iter().map(|factor| factor(cell)).collect::<Vec<_>>().join(", ");
        let side = |wanted: bool| -> BTreeSet<String> {
            cells
                .iter()
                .zip(clears)
                .filter(|(_, clear)| **clear == wanted)
                .map(|(cell, _)| value(cell))
                .collect()
        };
        let (yes, no) = (side(true), side(false));
        if yes.is_disjoint(&no) && yes.len() <= LISTED {
            return format!("only with {}", yes.into_iter().collect::<Vec<_>>().join("; "));
        }
    }
    let listed: Vec<String> =
        cells.iter().zip(clears).filter(|(_, clear)| **clear).map(|(cell, _)| cell.words()).collect();
    if listed.len() > LISTED {
        format!("only with {}; and {} more cells", listed[..LISTED].join("; "), listed.len() - LISTED)
    } else {
        format!("only with {}", listed.join("; "))
    }
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
        assert_eq!(name(&cells, &[true, true, false]), "only with memory");
    }

    #[test]
    fn two_factors_are_named_together() {
        let cells = [cell("memory", "free", 16), cell("memory", "same-core", 16), cell("redis", "free", 16)];
        assert_eq!(name(&cells, &[true, false, false]), "only with memory, free placement");
    }
}
