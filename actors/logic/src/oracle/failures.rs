//! Requests that must fail, and how.

use super::{Calls, Case, Suite};

/// Requests that every lane must refuse with the same words.
#[must_use]
pub fn failures() -> Suite {
    let none = Calls::default();
    let get = Calls { get: 1, ..none };
    let long = format!(r#"{{"order":"{}","customer":"c","sku":"s","quantity":1}}"#, "x".repeat(129));
    let cases: [(&'static str, &[u8], &str, Calls); 22] = [
        ("nothing.such", b"", "bad dispatch", none),
        ("", b"", "bad dispatch", none),
        ("kv.get", b"", "the key is empty", none),
        ("kv.get", b"\xff\xfe", "the key is not UTF-8", none),
        ("kv.get", b"absent", "key absent is not there", get),
        ("kv.set", b"\x01", "shorter than its key", none),
        ("kv.set", b"\x05\x00abc", "shorter than its key", none),
        ("kv.set", b"\x00\x00abc", "the key is empty", none),
        ("chain", b"\x01\x00\x00", "shorter than the 4 bytes", none),
        ("chain", b"\x02\x00\x00\x00absent", "key absent is not there", get),
        ("compute", b"", "shorter than the 4 bytes", none),
        ("counter", b"", "cut short", none),
        ("counter", b"POST /counter/visits HTTP/1.1\r\nhost: x\r\n", "cut short", none),
        ("counter", b"\x00\x01", "not HTTP/1.1", none),
        ("counter", b"DELETE /counter/visits HTTP/1.1\r\n\r\n", "POST or GET", none),
        ("counter", b"POST /counter/ HTTP/1.1\r\n\r\n", "/counter/<name>", none),
        ("counter", b"POST /counter/a%20b HTTP/1.1\r\n\r\n", "/counter/<name>", none),
        ("order", b"{\"order\":", "EOF while parsing", none),
        ("order", b"{}", "missing field `order`", none),
        ("order", br#"{"order":"o","customer":"c","sku":"a||b","quantity":1}"#, "are names of", none),
        ("order", br#"{"order":"o","customer":"c","sku":"s","quantity":0}"#, "not from 1 to 1000", none),
        ("order", long.as_bytes(), "are names of", none),
    ];
    let cases = cases.map(|(operation, request, error, calls)| Case {
        operation,
        request: request.to_vec(),
        expected: Err(error.to_owned()),
        calls,
    });
    Suite { cases: cases.into(), ..Suite::default() }
}
