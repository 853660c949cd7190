//! The first screen.

use maud::{Markup, html};

use crate::page::{forest, table};
use crate::results::{Results, Verdict, Word};
use crate::words::{self, MISSING};

/// What the outcomes of cells mean.
const OUTCOMES: &str = "Clears, falls short: the interval lies beyond the threshold, and Holm's correction over \
    all cells upholds it. Straddles: the interval holds the threshold. Undecided: beyond the threshold alone, \
    but not decided after the correction. Unsteady: flagged blocks decide.";

pub(crate) fn render(results: &Results) -> Markup {
    html! {
        section id="verdicts" {
            h2 { "Verdicts" }
            @if results.verdicts.is_empty() {
                p { "The run registered no claims, so there is nothing to judge." }
            }
            div.cards { @for verdict in &results.verdicts { (card(results, verdict)) } }
            p.small {
                @match &results.aa {
                    Some(aa) => {
                        "A/A control: " code { (aa.lane) } " entered twice gives "
                        (words::ratio(aa.ratio, aa.low, aa.high)) " against itself, "
                        @if aa.contains_one { "so the machine does not tell apart what is the same" }
                        @else { "so the machine tells apart what is the same" }
                        ". Lanes within ±" (words::percent(results.margin))
                        " count as equivalent; in a cell whose own comparison is wider, within as much."
                    }
                    None => { "A/A control: " (MISSING) " (fewer than two rounds of the reference lane's second entry)." }
                }
            }
            @if let Some(aa) = &results.aa {
                details {
                    summary { "The A/A control in each of " (words::counted(aa.cells.len() as u64, "cell")) }
                    div.scroll tabindex="0" { (table(&["Cell", "Against itself", "Margin"], &aa.rows())) } }
            }
        }
    }
}

fn card(results: &Results, verdict: &Verdict) -> Markup {
    let links = links(results, verdict);
    let kind = match verdict.verdict {
        Word::Supported => "yes",
        Word::Refuted => "no",
        Word::SupportedWithCondition => "partly",
        Word::Inconclusive | Word::None => "open",
    };
    html! {
        article class={ "card " (kind) } {
            h3 { span.claim { (verdict.claim) } " “" (verdict.words) "”" }
            p.verdict {
                span.shape aria-hidden="true" { (verdict.verdict.shape()) } " " (verdict.verdict.words())
                @if !verdict.for_verdicts { span.quiet { " · not for verdicts" } }
            }
            @if let Some(condition) = &verdict.condition { p.condition { (condition) } }
            p { (verdict.finding) }
            dl {
                dt { "Measured" } dd { (verdict.experiment) }
                dt { "Threshold" } dd {
                    (verdict.threshold) ", "
                    @match &verdict.fixed_by {
                        Some(commit) => { "fixed by commit " code { (short(commit)) } }
                        None => { "not yet fixed by a commit" }
                    }
                }
                dt { "Why" } dd { (verdict.reason) }
                dt { "Caveat" } dd { (verdict.caveat) }
            }
            @if !verdict.parts.is_empty() {
                details { summary { "The " (verdict.parts.len()) " cells or readings behind it" }
                    @if !links.is_empty() {
                        p.small { "Drawn below: "
                            @for (index, (name, target)) in links.iter().enumerate() {
                                @if index > 0 { "; " }
                                a href={ "#" (target) } { (name) }
                            }
                        }
                    }
                    @if verdict.parts.iter().any(|part| part.p_holm.is_some()) { p.small { (OUTCOMES) } }
                    div.scroll tabindex="0" { (parts(verdict)) } }
            }
        }
    }
}

/// Where the cells behind a verdict are drawn; for one on sizes, where these are.
fn links(results: &Results, verdict: &Verdict) -> Vec<(String, String)> {
    let drawn: Vec<String> = results.reference_lane().map_or_else(Vec::new, |against| {
        forest::cells(results, against).into_iter().map(|(cell, _)| cell.words()).collect()
    });
    let own = verdict.parts.iter().filter(|part| drawn.contains(&part.name));
    let mut links: Vec<_> = own.map(|part| (part.name.clone(), words::anchor(&part.name))).collect();
    if links.is_empty() && verdict.claim == "C7" && !results.portability.is_empty() {
        links.push(("Languages and engines".to_owned(), "languages".to_owned()));
    }
    if links.is_empty() && !verdict.parts.is_empty() && !results.sizes.is_empty() {
        links.push(("Sizes, by section".to_owned(), "sizes".to_owned()));
    }
    links
}

fn parts(verdict: &Verdict) -> Markup {
    let rows: Vec<Vec<String>> = verdict
        .parts
        .iter()
        .map(|part| {
            let value = match (part.low, part.high) {
                (Some(low), Some(high)) => words::ratio(part.estimate, low, high),
                _ => words::percent(part.estimate),
            };
            let decades = part.decades.map_or(MISSING.to_owned(), words::digits);
            let p = part.p_holm.map_or(MISSING.to_owned(), words::p_value);
            vec![part.name.clone(), part.word.replace('-', " "), value, p, part.against.clone(), decades]
        })
        .collect();
    table(&["Cell or reading", "Outcome", "Ratio or share", "p after Holm", "Against", "Decades"], &rows)
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
