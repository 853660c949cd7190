//! The table of lanes.

use pillion_harness::cells::{cells, of_lane};
use pillion_harness::lane::{LaneError, Registry};

#[test]
fn the_reference_lane_is_entered_twice() {
    let registry = Registry::built_in().unwrap();
    let lanes = registry.choose(&["noop".into(), "direct".into()]).unwrap();
    let entries: Vec<_> =
        registry.entries(&lanes).into_iter().map(|entry| (entry.entry, entry.lane)).collect();
    let expected = [("noop", "noop"), ("direct", "direct"), ("aa", "direct")];
    assert_eq!(entries, expected.map(|(entry, lane)| (entry.to_owned(), lane.to_owned())));
}

#[test]
fn an_unknown_lane_is_named_with_those_that_there_are() {
    let error = Registry::built_in().unwrap().choose(&["nonsense".into()]).unwrap_err();
    assert!(matches!(&error, LaneError::Unknown { .. }));
    assert!(error.to_string().contains("nonsense") && error.to_string().contains("direct"), "{error}");
}

#[test]
fn only_the_empty_call_takes_noop() {
    for lane in Registry::built_in().unwrap().lanes {
        let noop = of_lane(&cells(false), &lane).iter().any(|cell| cell.workload == "noop");
        assert_eq!(noop, lane.lane.app == "none", "{}", lane.lane.name);
    }
}
