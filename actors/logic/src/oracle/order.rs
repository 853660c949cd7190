//! A shop to order from, and a model of what it answers.

use std::collections::BTreeMap;

use super::numbers::Numbers;
use super::{Calls, Case, Record, Suite};

/// Customers and products that are there.
const KNOWN: u64 = 8;
/// So many that no run empties it, and within the 32 bits of a waSCC counter.
const PLENTY: i64 = 2_000_000_000;
/// Orders are at least two items, so that this one is always out of stock.
const SCARCE: u64 = KNOWN - 1;

/// Of every 16 orders one is for a scarce product, one by an unknown customer and one for an unknown product; the
/// first seven are accepted.
pub(super) fn suite(numbers: &mut Numbers, count: usize) -> Suite {
    let discounts: Vec<u64> = (0..KNOWN).map(|_| numbers.below(30)).collect();
    let prices: Vec<u64> = (0..KNOWN).map(|_| 100 + numbers.below(100_000)).collect();
    let mut stocks: Vec<i64> = (0..KNOWN).map(|sku| if sku == SCARCE { 1 } else { PLENTY }).collect();

    let mut records = Vec::new();
    for id in 0..KNOWN as usize {
        records.push(record(
            format!("customer:c-{id}"),
            format!(r#"{{"name":"Customer {id}","discount":{}}}"#, discounts[id]),
        ));
        records.push(record(
            format!("product:s-{id}"),
            format!(r#"{{"name":"Product {id}","price":{}}}"#, prices[id]),
        ));
        records.push(record(format!("stock:s-{id}"), stocks[id].to_string()));
    }

    let mut placed = BTreeMap::new();
    let cases = (0..count)
        .map(|index| {
            let (mut customer, mut sku) = (numbers.below(KNOWN), numbers.below(SCARCE));
            match index % 16 {
                7 => sku = SCARCE,
                11 => customer += KNOWN,
                13 => sku += KNOWN,
                _ => {}
            }
            let (id, quantity) = (index % 1_000, 2 + numbers.below(3));
            let mut calls = Calls { get: 2, together: 1, ..Calls::default() };
            let decision = if customer >= KNOWN {
                (calls.get, calls.together) = (1, 0);
                r#""status":"rejected","reason":"unknown customer""#.to_owned()
            } else if sku >= KNOWN {
                r#""status":"rejected","reason":"unknown product""#.to_owned()
            } else if sku == SCARCE {
                calls.add = 2;
                r#""status":"rejected","reason":"out of stock","stock":1"#.to_owned()
            } else {
                (calls.add, calls.set) = (1, 1);
                let total = prices[sku as usize] * quantity * (100 - discounts[customer as usize]) / 100;
                stocks[sku as usize] -= quantity as i64;
                placed.insert(
                    format!("order:o-{id}"),
                    format!(r#"{{"customer":"c-{customer}","sku":"s-{sku}","quantity":{quantity},"total":{total}}}"#),
                );
                format!(r#""status":"accepted","total":{total},"stock":{}"#, stocks[sku as usize])
            };
            Case {
                operation: "order",
                request: format!(
                    r#"{{"order":"o-{id}","customer":"c-{customer}","sku":"s-{sku}","quantity":{quantity}}}"#
                )
                .into_bytes(),
                expected: Ok(format!(r#"{{"order":"o-{id}",{decision}}}"#).into_bytes()),
                calls,
            }
        })
        .collect();

    let stocks = stocks.iter().enumerate().map(|(id, stock)| (format!("stock:s-{id}"), stock.to_string()));
    let after = placed.into_iter().chain(stocks).map(|(key, value)| record(key, value)).collect();
    Suite { records, cases, after }
}

fn record(key: String, value: String) -> Record {
    Record { key, value: value.into_bytes() }
}
