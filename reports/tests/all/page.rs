//! The page as a parser sees it.

use std::fs;

use pillion_reports::generate;
use scraper::{ElementRef, Html, Selector};

use crate::fixture::Fixture;

fn page(name: &str) -> (String, Html) {
    let dir = Fixture::with_rounds(3).write(name);
    generate(&dir).unwrap();
    let text = fs::read_to_string(dir.join("report.html")).unwrap();
    let html = Html::parse_document(&text);
    (text, html)
}

fn all<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(element: ElementRef<'_>) -> String {
    element.text().collect()
}

#[test]
fn the_markup_is_well_formed() {
    let (_, html) = page("parsed");
    assert_eq!(html.errors, Vec::<std::borrow::Cow<'static, str>>::new());
}

#[test]
fn every_chart_has_a_title_a_description_and_a_table() {
    let (_, html) = page("charts");
    let charts = all(&html, "svg");
    assert!(charts.len() >= 12, "{} charts", charts.len());
    for chart in charts {
        for name in ["title", "desc"] {
            let child =
                chart.children().filter_map(ElementRef::wrap).find(|child| child.value().name() == name);
            assert!(child.is_some_and(|child| !text(child).trim().is_empty()), "a chart has no {name}");
        }
        let figure =
            chart.ancestors().filter_map(ElementRef::wrap).find(|parent| parent.value().name() == "figure");
        let rows = Selector::parse("table tbody tr").unwrap();
        assert!(
            figure.expect("a chart stands in a figure").select(&rows).next().is_some(),
            "a chart has no table"
        );
    }
}

#[test]
fn nothing_is_fetched_and_nothing_runs() {
    let (text, html) = page("addresses");
    assert!(all(&html, "script, link, img, iframe, object, embed, base").is_empty());
    for element in all(&html, "*") {
        for (name, value) in element.value().attrs() {
            assert!(!name.starts_with("on"), "{name} would run a script");
            let address = value.contains("://") || value.starts_with("//");
            assert!(!address || name == "xmlns", "{name}={value}");
        }
    }
    for link in all(&html, "a[href]") {
        let target = link.attr("href").unwrap().strip_prefix('#').expect("links stay within the page");
        assert_eq!(all(&html, &format!("[id='{target}']")).len(), 1, "#{target}");
    }
    let style = text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    assert!(!style.contains("url(") && !style.contains("@import"));
}

#[test]
fn headings_descend_one_level_at_a_time() {
    let (_, html) = page("headings");
    let levels: Vec<u32> = all(&html, "h1, h2, h3, h4, h5, h6")
        .iter()
        .map(|heading| heading.value().name()[1..].parse().unwrap())
        .collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert_eq!(levels[0], 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
}

#[test]
fn no_text_is_smaller_than_twelve_pixels() {
    let (text, html) = page("text-size");
    let style = text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let mut sizes = 0;
    for declaration in style.split([';', '{', '}']).map(str::trim) {
        let Some(size) = declaration.strip_prefix("font-size:").map(str::trim) else { continue };
        sizes += 1;
        let pixels = match (size.strip_suffix("px"), size.strip_suffix("rem")) {
            (Some(pixels), _) => pixels.parse::<f64>().unwrap(),
            (_, Some(rem)) => rem.parse::<f64>().unwrap() * 16.0,
            // clamp(1.6rem, …): a heading.
            _ => {
                size.trim_start_matches("clamp(").split("rem").next().unwrap().parse::<f64>().unwrap() * 16.0
            }
        };
        assert!(pixels >= 12.0, "{declaration}");
    }
    assert!(sizes > 8);
    assert!(all(&html, "[font-size], [style]").is_empty(), "sizes are set in the style sheet alone");
}

#[test]
fn what_a_run_says_cannot_become_markup() {
    let (text, html) = page("escaped");
    assert!(!text.contains("<of the fixture>"));
    assert!(self::text(html.root_element()).contains("A CPU <of the fixture> & more"));
}

#[test]
fn verdicts_come_first_and_what_is_left_out_is_named() {
    let (_, html) = page("order");
    let sections: Vec<&str> =
        all(&html, "section[id]").iter().map(|section| section.attr("id").unwrap()).collect();
    assert_eq!(
        sections,
        [
            "verdicts",
            "provenance",
            "ladder",
            "factorial",
            "forest",
            "distribution",
            "throughput",
            "placement",
            "calls",
            "sizes",
            "raw",
            "limits"
        ]
    );
    assert!(text(all(&html, "#limits")[0]).contains("Waterfall of one call"));
}

#[test]
fn each_verdict_leads_to_its_cells() {
    let (_, html) = page("links");
    let cards = all(&html, "article.card");
    let links = |card: ElementRef<'_>| -> Vec<(String, String)> {
        let links = Selector::parse("a[href]").unwrap();
        card.select(&links).map(|link| (text(link), link.attr("href").unwrap().to_owned())).collect()
    };
    let cells = links(cards[0]);
    // One for each cell that C1 judges; where they lead is checked with all other links.
    assert_eq!(cells.len(), 7, "{cells:?}");
    for (name, target) in &cells {
        let target = all(&html, &format!("[id='{}']", target.trim_start_matches('#')));
        assert!(text(target[0]).contains(name), "{name}");
    }
    assert_eq!(links(cards[1]), [("Sizes, by section".to_owned(), "#sizes".to_owned())]);
}

#[test]
fn a_run_without_the_host_is_shown_against_its_own_reference() {
    let mut fixture = Fixture::with_rounds(3);
    let without = |lane: &str| lane != "host" && lane != "wasm-sidecar-grpc-uds";
    fixture.plan.lanes.retain(|lane| without(&lane.name));
    fixture.plan.cells.retain(|lane, _| without(lane));
    fixture.blocks.retain(|block| without(&block.lane));
    fixture.plan.entries.retain(|entry| entry.entry != "aa" && without(&entry.lane));
    fixture.plan.entries.push(pillion_records::LaneEntry { entry: "aa".into(), lane: "direct".into() });
    let entries = fixture.plan.entries.len() as u32;
    fixture.plan.order = vec![(0..entries).collect(); 3];
    let again: Vec<_> = fixture.blocks.iter().filter(|block| block.lane == "direct").cloned().collect();
    fixture
        .blocks
        .extend(again.into_iter().map(|block| pillion_records::Block { entry: "aa".into(), ..block }));
    let dir = fixture.write("no-host");
    generate(&dir).unwrap();
    let html = Html::parse_document(&fs::read_to_string(dir.join("report.html")).unwrap());
    let forest = text(all(&html, "#forest")[0]);
    assert!(forest.contains("Each lane against lane direct"), "{forest}");
    assert!(forest.contains("sidecar-grpc-uds is 100 × (100–100) slower than direct"), "{forest}");
    assert!(!text(all(&html, "#limits")[0]).contains("Each lane against"), "it is not absent");
    let markdown = fs::read_to_string(dir.join("report.md")).unwrap();
    assert!(
        markdown.contains("| against `direct` |") && markdown.contains("| 100 × (100–100) |"),
        "{markdown}"
    );
}
