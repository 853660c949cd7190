//! Rows of the ladder that were not measured here.

/// A latency that the literature names.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) ns: f64,
}

/// Where the rows come from. The article that is put to the test refers to this list.
pub(crate) const SOURCE: &str = "Jeff Dean, “Numbers Everyone Should Know” (LADIS 2009 keynote), the “latency numbers” list that the article points to";

/// The rows, from fast to slow.
pub(crate) const KNOWN: [Known; 9] = [
    Known { name: "L1 cache reference", ns: 0.5 },
    Known { name: "branch mispredict", ns: 5.0 },
    Known { name: "L2 cache reference", ns: 7.0 },
    Known { name: "main memory reference", ns: 100.0 },
    Known { name: "send 2 KB over 1 Gbit/s", ns: 20e3 },
    Known { name: "read 1 MB from memory", ns: 250e3 },
    Known { name: "round trip in a datacenter", ns: 500e3 },
    Known { name: "disk seek", ns: 10e6 },
    Known { name: "California–Netherlands–California", ns: 150e6 },
];
