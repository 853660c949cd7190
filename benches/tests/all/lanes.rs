//! The table of lanes.

use std::collections::BTreeSet;

use pillion_harness::cells::{cells, of_lane};
use pillion_harness::lane::{LaneError, Registry};
use pillion_records::{Load, Placement};

#[test]
fn the_reference_lane_is_entered_twice() {
    let registry = Registry::built_in().unwrap();
    let lanes = registry.choose(&["noop".into(), "direct".into()], false).unwrap();
    let entries: Vec<_> =
        registry.entries(&lanes).into_iter().map(|entry| (entry.entry, entry.lane)).collect();
    let expected = [("noop", "noop"), ("direct", "direct"), ("aa", "direct")];
    assert_eq!(entries, expected.map(|(entry, lane)| (entry.to_owned(), lane.to_owned())));
}

#[test]
fn an_unknown_lane_is_named_with_those_that_there_are() {
    let error = Registry::built_in().unwrap().choose(&["nonsense".into()], false).unwrap_err();
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

#[expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, as tests do")]
fn names(of: &[&str]) -> Vec<String> {
    let of: Vec<String> = of.iter().map(|&name| name.to_owned()).collect();
    let lanes = Registry::built_in().unwrap().choose(&of, false).unwrap();
    lanes.into_iter().map(|spec| spec.lane.name).collect()
}

#[test]
fn without_names_the_core_lanes_take_part_and_all_are_there_for_the_asking() {
    let (core, all) = (names(&[]), names(&["all"]));
    assert_eq!(core, names(&["core"]));
    assert!(core.iter().all(|name| all.contains(name)) && core.len() < all.len());
    for name in [
        "noop",
        "direct",
        "host",
        "sidecar-http-uds",
        "sidecar-http-uds-pipelined",
        "sidecar-grpc-tcp",
        "wasm-sidecar-grpc-uds",
    ] {
        assert!(core.iter().any(|core| core == name), "{name}");
    }
    let more = names(&["core", "sidecar-http2-tcp"]);
    assert_eq!(more.len(), core.len() + 1);
    assert!(more.iter().any(|name| name == "sidecar-http2-tcp"), "{more:?}");
}

#[test]
fn every_protocol_goes_over_tcp_and_over_a_unix_socket() {
    let lanes = Registry::built_in().unwrap().lanes;
    for protocol in ["http", "http2", "grpc", "stream"] {
        for transport in ["tcp", "uds"] {
            let has = |wanted: &Option<String>, is: &str| wanted.as_deref() == Some(is);
            let found = lanes.iter().any(|spec| {
                has(&spec.lane.protocol, protocol)
                    && has(&spec.lane.transport, transport)
                    && spec.lane.form.is_none()
            });
            assert!(found, "{protocol} over {transport}");
        }
    }
}

#[test]
fn lanes_of_the_same_way_differ_in_what_they_say_of_their_form() {
    let mut seen = BTreeSet::new();
    for spec in Registry::built_in().unwrap().lanes.iter().filter(|spec| spec.has_sidecar()) {
        let lane = &spec.lane;
        let way = (lane.app.clone(), lane.protocol.clone(), lane.transport.clone(), lane.form.clone());
        assert!(seen.insert(way), "{}", lane.name);
    }
}

#[test]
fn lanes_are_run_as_they_say() {
    let lanes = Registry::built_in().unwrap().lanes;
    let lane = |name: &str| lanes.iter().find(|spec| spec.lane.name == name).unwrap();
    let several = Load::Throughput { in_flight: 8 };
    for (name, service, throughput) in
        [("sidecar-grpc-uds", 1, 4), ("sidecar-grpc-uds-threads", 4, 4), ("sidecar-grpc-uds-thread", 1, 1)]
    {
        let threads = [Load::Service, several].map(|load| lane(name).sidecar_threads(load, 4));
        assert_eq!(threads, [service, throughput], "{name}");
    }
    let (bulk, busy) = (lane("sidecar-grpc-uds-bulk"), lane("sidecar-grpc-uds-busy"));
    assert!(of_lane(&cells(false), bulk).iter().all(|cell| cell.workload == "order") && bulk.bulk);
    for transport in ["tcp", "uds"] {
        let one = lane(&format!("sidecar-http-{transport}-pipelined"));
        assert!(one.pipelined && one.lane.transport.as_deref() == Some(transport), "{transport}");
    }
    for spec in lanes.iter().filter(|spec| spec.pipelined) {
        assert_eq!(spec.lane.protocol.as_deref(), Some("http"), "{}", spec.lane.name);
        assert_eq!(spec.lane.form.as_deref(), Some("pipelined"), "{}", spec.lane.name);
    }
    // On one core the one that polls would keep the other from answering.
    let placements: BTreeSet<Placement> =
        of_lane(&cells(false), busy).iter().map(|cell| cell.placement).collect();
    assert_eq!(placements, [Placement::OtherCore, Placement::Free].into());
    assert!(busy.sidecar.busy_poll && !lane("sidecar-grpc-uds").sidecar.busy_poll);
}
