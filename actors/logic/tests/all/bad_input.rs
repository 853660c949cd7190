//! Any bytes for any operation: an answer or an error, never a panic; and damaged records are named.

use pillion_logic::oracle::Record;
use pillion_logic::{AppError, CallError, OPERATIONS};
use proptest::prelude::*;

use crate::ask;
use crate::store::Store;

proptest! {
    #[test]
    fn any_bytes_are_answered(
        operation in prop::sample::select(OPERATIONS), request in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        // Rounds are cut to what a test can wait for.
        let mut request = request;
        if let Some(high) = request.get_mut(1..4).filter(|_| operation == "compute") {
            high.fill(0);
        }
        let reply = ask(&Store::default(), operation, &request);
        if operation == "echo" {
            prop_assert_eq!(reply, Ok(request));
        } else if let Err(AppError::BadDispatch(_)) = reply {
            prop_assert!(false, "{} is an operation", operation);
        }
    }

    #[test]
    fn an_order_by_any_name_is_answered_in_json(order in "\\PC{0,140}", quantity: u32) {
        let request = serde_json::json!({"order": order, "customer": "c", "sku": "s", "quantity": quantity});
        match ask(&Store::default(), "order", request.to_string().as_bytes()) {
            Ok(reply) => {
                let reply: serde_json::Value = serde_json::from_slice(&reply).unwrap();
                prop_assert_eq!(&reply["order"], &order);
                prop_assert_eq!(&reply["reason"], "unknown customer");
            }
            Err(error) => prop_assert!(matches!(error, AppError::BadRequest(_)), "{}", error),
        }
    }
}

#[test]
fn escapes_in_an_order_are_understood() {
    let request = br#"{"order":"\u006f-1","customer":"c","sku":"s","quantity":1}"#;
    let reply = ask(&Store::default(), "order", request).unwrap();
    assert_eq!(reply, br#"{"order":"o-1","status":"rejected","reason":"unknown customer"}"#);
}

#[test]
fn a_damaged_record_is_named() {
    let store = Store::new(&[Record { key: "customer:c".to_owned(), value: b"{".to_vec() }]);
    let error = ask(&store, "order", br#"{"order":"o","customer":"c","sku":"s","quantity":1}"#).unwrap_err();
    assert!(matches!(&error, AppError::BadRecord(key) if key == "customer:c"), "{error}");
}

#[test]
fn a_failed_call_keeps_its_message() {
    let store = Store::new(&[Record { key: "counter:n".to_owned(), value: b"text".to_vec() }]);
    let error = ask(&store, "counter", b"POST /counter/n HTTP/1.1\r\n\r\n").unwrap_err();
    assert_eq!(error, AppError::Call(CallError("counter:n is not a number".to_owned())));
}

#[test]
fn errors_put_together_without_formatting_say_the_same() {
    let text = || "a text".to_owned();
    for error in [
        AppError::BadDispatch(text()),
        AppError::BadRequest(text()),
        AppError::MissingKey(text()),
        AppError::BadRecord(text()),
        AppError::Call(CallError(text())),
    ] {
        assert_eq!(error.to_string(), error.into_text());
    }
}
