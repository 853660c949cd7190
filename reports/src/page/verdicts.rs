//! The first screen.

use maud::{Markup, html};

use crate::page::table;
use crate::results::{Results, Verdict, Word};
use crate::words::{self, MISSING};

pub(crate) fn render(results: &Results) -> Markup {
    html! {
        section id="verdicts" {
            h2 { "Verdicts" }
            @if results.verdicts.is_empty() {
                p { "The run registered no claims, so there is nothing to judge." }
            }
            div.cards { @for verdict in &results.verdicts { (card(verdict)) } }
            p.small {
                @match &results.aa {
                    Some(aa) => {
                        "A/A control: " code { (aa.lane) } " entered twice gives "
                        (words::ratio(aa.ratio, aa.low, aa.high)) " against itself, "
                        @if aa.contains_one { "so the machine does not tell apart what is the same" }
                        @else { "so the machine tells apart what is the same" }
                        ". Lanes within ±" (words::percent(results.margin)) " count as equivalent."
                    }
                    None => { "A/A control: " (MISSING) " (fewer than two rounds of the reference lane's second entry)." }
                }
            }
        }
    }
}

fn card(verdict: &Verdict) -> Markup {
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
                    div.scroll tabindex="0" { (parts(verdict)) } }
            }
        }
    }
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
            vec![part.name.clone(), part.against.clone(), value, decades, part.word.replace('-', " ")]
        })
        .collect();
    table(&["Cell or reading", "Against", "Ratio or share", "Decades", "Alone it"], &rows)
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}
