//! Requests lent for the time of a call, in the order in which the engine and a guest's imports use them.
#![expect(unsafe_code, reason = "whoever lends promises")]

use crate::request::{Owned, Request};

/// What the imports do: read the request, respond, perhaps more than once.
fn served(request: &mut Request, responses: &[&[u8]]) -> Vec<u8> {
    let (operation, payload) = request.parts();
    let read = [operation, payload].concat();
    for given in responses {
        let response = request.response().expect("somebody asks");
        response.clear();
        response.reserve_exact(given.len());
        response.extend_from_slice(given);
        // The request is there for as long as the call is.
        assert_eq!([request.parts().0, request.parts().1].concat(), read);
    }
    read
}

#[test]
fn a_lent_request_is_read_and_its_response_is_the_callers() {
    let (operation, payload, mut response) = (String::from("Get"), vec![7; 300], vec![1, 2, 3]);
    for given in [&b"one"[..], &[9; 4_096], b""] {
        // SAFETY: all three are there until the value is overwritten, which is before any of them is used.
        let mut request = unsafe { Request::lend(operation.as_bytes(), &payload, &mut response) };
        assert_eq!(served(&mut request, &[b"first", given]), [operation.as_bytes(), &payload].concat());
        request = Request::None;
        assert_eq!(response, given);
        assert!(request.response().is_none());
        assert_eq!(request.parts(), (&[][..], &[][..]));
    }
}

#[test]
fn a_lent_request_may_be_served_on_another_thread() {
    let (operation, payload, mut response) = (String::from("Get"), vec![7; 300], Vec::new());
    // SAFETY: all three are there until the scope is left, and the value is gone by then.
    let mut request = unsafe { Request::lend(operation.as_bytes(), &payload, &mut response) };
    std::thread::scope(|scope| {
        scope.spawn(move || served(&mut request, &[b"from there"]));
    });
    assert_eq!(response, b"from there");
}

#[test]
fn an_owned_request_holds_its_response() {
    let owned = Owned { operation: "Get".to_owned(), payload: b"k".to_vec(), response: Vec::new() };
    let mut request = Request::Owned(owned);
    assert_eq!(served(&mut request, &[b"v"]), b"Getk");
    let Request::Owned(owned) = std::mem::take(&mut request) else { panic!("it is owned") };
    assert_eq!(owned.response, b"v");
}
