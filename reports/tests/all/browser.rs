//! The page in a real browser, at the width of a phone and of a desktop.

use std::fs;
use std::path::Path;
use std::process::Command;

use pillion_reports::generate;

use crate::fixture::Fixture;

const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// What the page measures itself to be.
const MEASURE: &str = "<script>addEventListener('load', () => { const d = document, e = d.documentElement;\
    const small = [...d.querySelectorAll('body *')].filter(n => [...n.childNodes].some(c => c.nodeType == 3 && c.data.trim()) \
    && n.tagName != 'STYLE' && parseFloat(getComputedStyle(n).fontSize) < 12).length;\
    e.setAttribute('data-measured', [innerWidth, e.scrollWidth, d.body.scrollWidth, small, d.querySelectorAll('svg').length].join(' ')); });</script>";

fn browser() -> Option<&'static str> {
    let found = BROWSERS.into_iter().find(|name| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    });
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI must open the report in a browser, and none of {BROWSERS:?} is installed: apt-get install chromium"
        );
        eprintln!(
            "SKIPPED: none of {BROWSERS:?} is installed, so the report was not opened; apt-get install chromium"
        );
    }
    found
}

/// Opens a page that holds the report in a frame of the given width, and reads what it measured.
fn measure(browser: &str, dir: &Path, width: u32) -> Vec<u32> {
    let report = fs::read_to_string(dir.join("report.html")).unwrap();
    fs::write(dir.join("measured.html"), report.replace("</head>", &format!("{MEASURE}</head>"))).unwrap();
    // A headless window has a least width, wider than a phone; a frame has none.
    let frame = format!(
        "<!DOCTYPE html><iframe id=f src=measured.html style='width:{width}px;height:2000px;border:0'></iframe>\
         <script>addEventListener('load', () => {{ document.title = f.contentDocument.documentElement.dataset.measured; \
         document.documentElement.dataset.result = document.title; }});</script>"
    );
    let path = dir.join(format!("frame-{width}.html"));
    fs::write(&path, frame).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"])
        .args(["--allow-file-access-from-files", "--virtual-time-budget=10000", "--window-size=1600,2000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", path.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let result = dom
        .split("data-result=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_else(|| panic!("no result in {dom}\n{}", String::from_utf8_lossy(&output.stderr)));
    result.split(' ').map(|number| number.parse().unwrap_or_else(|_| panic!("{result}"))).collect()
}

#[test]
fn the_page_never_scrolls_sideways_and_its_text_is_large_enough() {
    let Some(browser) = browser() else { return };
    let dir = Fixture::with_rounds(3).write("browser");
    generate(&dir).unwrap();
    for width in [390, 1280] {
        let [inner, page, body, small, charts] = measure(browser, &dir, width)[..] else {
            panic!("five numbers")
        };
        assert_eq!(inner, width);
        assert!(
            page <= width && body <= width,
            "at {width} px the page is {page} px and its body {body} px wide"
        );
        assert_eq!(small, 0, "elements with text under 12 px at {width} px");
        assert!(charts >= 12);
    }
}
