//! Requests that must fail, and how.

use super::{Calls, Case, Suite};

const SHORT: &str = "bad request: the request is shorter than the 4 bytes of its number";
const PATH: &str = "bad request: the path is not /counter/<name> of letters, digits, '-', '_', '.'";
const ORDER: &str = "bad request: the order is not a JSON object of order, customer, sku and quantity";
const QUANTITY: &str = "bad request: quantity is not from 1 to 1000";
const NAMES: &str =
    "bad request: order, customer and sku are names of 1 to 128 letters, digits, '-', '_', '.'";

/// Requests that every lane must refuse with the same words, in whatever language the app is.
#[must_use]
pub fn failures() -> Suite {
    let none = Calls::default();
    let get = Calls { get: 1, ..none };
    let long = format!(r#"{{"order":"{}","customer":"c","sku":"s","quantity":1}}"#, "x".repeat(129));
    let cases: &[(&'static str, &[u8], &str, Calls)] = &[
        ("nothing.such", b"", "bad dispatch", none),
        ("", b"", "bad dispatch", none),
        ("kv.get", b"", "bad request: the key is empty", none),
        ("kv.get", b"\xff\xfe", "bad request: the key is not UTF-8", none),
        ("kv.get", b"absent", "key absent is not there; set it first", get),
        ("kv.set", b"\x01", "bad request: the request is shorter than its key", none),
        ("kv.set", b"\x05\x00abc", "bad request: the request is shorter than its key", none),
        ("kv.set", b"\x00\x00abc", "bad request: the key is empty", none),
        ("chain", b"\x01\x00\x00", SHORT, none),
        ("chain", b"\x02\x00\x00\x00absent", "key absent is not there; set it first", get),
        ("compute", b"", SHORT, none),
        ("counter", b"", "bad request: the HTTP request is cut short", none),
        (
            "counter",
            b"POST /counter/visits HTTP/1.1\r\nhost: x\r\n",
            "bad request: the HTTP request is cut short",
            none,
        ),
        ("counter", b"\x00\x01", "bad request: not HTTP/1.1", none),
        (
            "counter",
            b"DELETE /counter/visits HTTP/1.1\r\n\r\n",
            "bad request: a counter takes POST or GET",
            none,
        ),
        ("counter", b"POST /counter/ HTTP/1.1\r\n\r\n", PATH, none),
        ("counter", b"POST /counter/a%20b HTTP/1.1\r\n\r\n", PATH, none),
        ("order", b"{\"order\":", ORDER, none),
        ("order", b"{}", ORDER, none),
        ("order", br#"{"order":"o","customer":"c","sku":"a||b","quantity":1}"#, NAMES, none),
        ("order", br#"{"order":"o","customer":"c","sku":"s","quantity":0}"#, QUANTITY, none),
        ("order", long.as_bytes(), NAMES, none),
        ("order", b"[\"o\",\"c\",\"s\",1]", ORDER, none),
        ("order", b"\"order\"", ORDER, none),
        ("order", br#"{"order":"o","customer":"c","sku":"s"}"#, ORDER, none),
        ("order", br#"{"order":"o","customer":"c","sku":"s","quantity":1,"more":1}"#, ORDER, none),
        ("order", br#"{"order":"o","order":"o","customer":"c","sku":"s","quantity":1}"#, ORDER, none),
        ("order", br#"{"order":"o","customer":"c","sku":"s","quantity":-1}"#, ORDER, none),
        ("order", br#"{"order":"o","customer":"c","sku":"s","quantity":1.0}"#, ORDER, none),
        ("order", br#"{"order":"o","customer":"c","sku":"s","quantity":1e2}"#, ORDER, none),
        ("order", br#"{"order":"o","customer":"c","sku":"s","quantity":01}"#, ORDER, none),
        ("order", br#"{"order":"o","customer":"c","sku":"s","quantity":4294967296}"#, ORDER, none),
        ("order", br#"{"order":"o","customer":"c","sku":"s","quantity":"1"}"#, ORDER, none),
        ("order", br#"{"order":1,"customer":"c","sku":"s","quantity":1}"#, ORDER, none),
        ("order", br#"{"order":"o","customer":null,"sku":"s","quantity":1}"#, ORDER, none),
        ("order", br#"{"order":"o","customer":"c","sku":"s","quantity":1} x"#, ORDER, none),
        ("order", br#"{"order":"o","customer":"c","sku":"s","quantity":1,}"#, ORDER, none),
        ("order", b"{\"order\":\"\xff\",\"customer\":\"c\",\"sku\":\"s\",\"quantity\":1}", ORDER, none),
        ("order", br#"{"order":"\ud800","customer":"c","sku":"s","quantity":1}"#, ORDER, none),
        ("order", br#"{"order":"\u006","customer":"c","sku":"s","quantity":1}"#, ORDER, none),
        ("order", br#"{"order":"a\u0062","customer":"c","sku":"s","quantity":1001}"#, QUANTITY, none),
        ("order", br#"{"order":"\ud83d\ude00","customer":"c","sku":"s","quantity":1}"#, NAMES, none),
    ];
    let case = |&(operation, request, error, calls): &(&'static str, &[u8], &str, Calls)| Case {
        operation,
        request: request.to_vec(),
        expected: Err(error.to_owned()),
        calls,
    };
    Suite { cases: cases.iter().map(case).collect(), ..Suite::default() }
}
