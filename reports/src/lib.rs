//! Turns a run directory into report.html, report.md and results.json
