//! Every lane answers what the oracle says, with as many calls to the provider as it should make.

use std::sync::Arc;

use pillion_capabilities::{Counters, KeyValue, Memory, Operation};
use pillion_logic::oracle::{Suite, every_suite};
use pillion_logic::{Capabilities, handle};
use pillion_native::{Direct, GrpcSidecar, HttpSidecar, SidecarKeyValue, StreamSidecar};

use crate::sidecar::Sidecar;

async fn check<C: Capabilities + Sync>(capabilities: &C, suite: &Suite) {
    let mut reply = Vec::new();
    for case in &suite.cases {
        reply.clear();
        let result = handle(capabilities, case.operation, &case.request, &mut reply).await;
        let result = result.map(|handled| handled.finish(&mut reply));
        case.check(result.map(|()| reply.as_slice()).map_err(|error| error.to_string())).unwrap();
    }
    for record in &suite.after {
        let value = capabilities.get(&record.key).await.unwrap().unwrap();
        assert_eq!(value.as_ref(), record.value, "{}", record.key);
    }
}

async fn preload<C: Capabilities + Sync>(capabilities: &C, suite: &Suite) {
    for record in &suite.records {
        capabilities.set(&record.key, &record.value).await.unwrap();
    }
}

/// All suites over a sidecar. An add is a get and a set there.
pub(crate) async fn check_sidecar<C: Capabilities + Sync>(sidecar: &Sidecar, capabilities: &C) {
    for suite in every_suite() {
        preload(capabilities, &suite).await;
        let before = (sidecar.reached("get").await, sidecar.reached("set").await);
        check(capabilities, &suite).await;
        let calls = suite.calls();
        let (gets, sets) = (calls.get + calls.add + suite.after.len() as u64, calls.set + calls.add);
        let now = (sidecar.reached("get").await, sidecar.reached("set").await);
        assert_eq!(now, (before.0 + gets, before.1 + sets));
    }
}

#[tokio::test]
async fn direct() {
    let memory = Arc::new(Memory::default());
    let capabilities = Direct(memory.clone());
    let counts = |of: &Counters| [Operation::Get, Operation::Set, Operation::Add].map(|each| of.of(each));
    for suite in every_suite() {
        preload(&capabilities, &suite).await;
        let before = counts(memory.counters());
        check(&capabilities, &suite).await;
        let calls = suite.calls();
        let added = [calls.get + suite.after.len() as u64, calls.set, calls.add];
        assert_eq!(counts(memory.counters()), [0, 1, 2].map(|each| before[each] + added[each]));
    }
}

#[tokio::test]
async fn http() {
    let sidecar = Sidecar::start();
    for address in sidecar.http() {
        check_sidecar(&sidecar, &HttpSidecar::new(address, "statestore")).await;
    }
}

#[tokio::test]
async fn pipelined() {
    let sidecar = Sidecar::start();
    for address in sidecar.http() {
        check_sidecar(&sidecar, &HttpSidecar::pipelined(address, "statestore")).await;
    }
}

#[tokio::test]
async fn http2() {
    let sidecar = Sidecar::start();
    for address in sidecar.http() {
        check_sidecar(&sidecar, &HttpSidecar::http2(address, "statestore")).await;
    }
}

#[tokio::test]
async fn stream() {
    let sidecar = Sidecar::start();
    for address in sidecar.grpc() {
        check_sidecar(&sidecar, &StreamSidecar::connect(address, "statestore").await.unwrap()).await;
    }
}

/// Every suite again, with several keys in one call where they are wanted together.
async fn check_bulk<C: Capabilities + Sync>(sidecar: &Sidecar, capabilities: &C) {
    for suite in every_suite() {
        preload(capabilities, &suite).await;
        let before = (sidecar.reached("get").await, sidecar.reached("bulk_get").await);
        check(capabilities, &suite).await;
        let calls = suite.calls();
        // Each two that are wanted together are one bulk get, and so is one whose other is not there.
        let orders = suite.cases.iter().filter(|case| case.operation == "order" && case.calls.get > 0);
        let (orders, looks) = (orders.count() as u64, suite.after.len() as u64);
        let gets = calls.get - calls.together - orders + calls.add + looks;
        let now = (sidecar.reached("get").await, sidecar.reached("bulk_get").await);
        assert_eq!(now, (before.0 + gets, before.1 + orders));
    }
}

#[tokio::test]
async fn bulk() {
    let sidecar = Sidecar::start();
    let ([_, http], [_, grpc]) = (sidecar.http(), sidecar.grpc());
    check_bulk(&sidecar, &HttpSidecar::new(http, "statestore").with_bulk()).await;
    check_bulk(&sidecar, &GrpcSidecar::connect(grpc.clone(), "statestore").await.unwrap().with_bulk()).await;
    check_bulk(&sidecar, &StreamSidecar::connect(grpc, "statestore").await.unwrap().with_bulk()).await;
}

#[tokio::test]
async fn grpc() {
    let sidecar = Sidecar::start();
    for address in sidecar.grpc() {
        check_sidecar(&sidecar, &GrpcSidecar::connect(address, "statestore").await.unwrap()).await;
    }
}

#[tokio::test]
async fn a_sidecar_as_a_provider() {
    let sidecar = Sidecar::start();
    let [_, address] = sidecar.grpc();
    let provider = SidecarKeyValue::new(GrpcSidecar::connect(address, "statestore").await.unwrap());
    check_sidecar(&sidecar, &Direct(Arc::new(provider))).await;
}
