//! Transcripts from the oracle.

use pillion_logic::oracle::{Suite, Workload, failures, suite};

use crate::{App, Step, Transcript};

/// The seed of the stored transcripts.
const SEED: u64 = 2019;
/// Payloads: none, a small one, some kilobytes in Base64 or text.
const PAYLOADS: [usize; 4] = [0, 1, 16, 1_024];
/// And a megabyte, of one byte, so that the files stay small.
const MEBIBYTE: usize = 1 << 20;

// === impl Transcript ===

impl Transcript {
    /// The transcript that follows from the oracle.
    #[must_use]
    pub fn of(app: App) -> Self {
        let mut steps = Vec::new();
        for suite in suites(app) {
            take(&mut steps, suite);
        }
        steps.extend(more(app));
        let mut refused = failures();
        refused.cases.retain(|case| app.operations().contains(&case.operation));
        take(&mut steps, refused);
        // A call that no app has, and one that is none.
        for call in ["nothing.such", ""] {
            steps.push(error(call, b"", "bad dispatch"));
        }
        Self { app, steps }
    }
}

fn suites(app: App) -> Vec<Suite> {
    let each =
        |workload, calls, count| PAYLOADS.map(|size| suite(workload, size, calls, SEED, count)).to_vec();
    match app {
        App::Echo => each(Workload::Echo, 0, 3),
        App::Kv => [each(Workload::KvSet, 0, 4), each(Workload::KvGet, 0, 4)].concat(),
        App::Chain => [0, 1, 7].into_iter().flat_map(|calls| each(Workload::Chain, calls, 2)).collect(),
        App::Counter => vec![suite(Workload::Counter, 0, 0, SEED, 24)],
        App::Compute => [0, 1, 2, 100].map(|rounds| suite(Workload::Compute, rounds, 0, SEED, 3)).to_vec(),
        App::Order => vec![suite(Workload::Order, 0, 0, SEED, 32)],
    }
}

/// What no workload asks: large payloads, texts beyond ASCII, and errors of the store itself.
fn more(app: App) -> Vec<Step> {
    let large = vec![b'x'; MEBIBYTE];
    let store = |key: &str, value: &[u8]| Step::Store { store: key.to_owned(), value: value.to_vec() };
    let broken = "the value of key counter:broken is not an integer of 64 bits";
    match app {
        App::Echo => vec![reply("echo", &large, &large), reply("echo", b"\0\xff\xfe", b"\0\xff\xfe")],
        App::Kv => {
            let request =
                [&[5, 0], "große".as_bytes().get(..5).unwrap_or_default(), b"binary \0\xff"].concat();
            vec![
                reply("kv.set", &[&[5, 0][..], b"large", &large].concat(), b""),
                reply("kv.get", b"large", &large),
                Step::Holds { holds: "large".to_owned(), value: large },
                reply("kv.set", &request, b""),
                reply("kv.get", "groß".as_bytes(), b"binary \0\xff"),
                reply("kv.set", b"\x05\x00empty", b""),
                reply("kv.get", b"empty", b""),
            ]
        }
        App::Chain => vec![
            store("large", &large),
            reply("chain", b"\x02\x00\x00\x00large", &large),
            reply("chain", b"\x00\x00\x00\x00absent", b""),
            error("chain", b"\x01\x00\x00\x00", "bad request: the key is empty"),
        ],
        App::Counter => vec![
            store("counter:broken", b"text"),
            error("counter", b"GET /counter/broken HTTP/1.1\r\n\r\n", broken),
            reply(
                "counter",
                b"GET /counter/fresh?a=b?c HTTP/1.0\r\na: b\r\n\r\nbody",
                br#"{"counter":"fresh","value":1}"#,
            ),
        ],
        App::Compute => Vec::new(),
        App::Order => {
            let order = br#"{"order":"o-d","customer":"damaged","sku":"s-0","quantity":1}"#;
            let spaced = b" {\r\n\"quantity\" : 1 , \"sku\":\"none\",\"order\":\"\\u006f\\u002d1\",\"customer\":\"c\"}\n";
            vec![
                store("customer:damaged", b"{"),
                error(
                    "order",
                    order,
                    "record customer:damaged is damaged: it is not what the app writes there",
                ),
                store("customer:c", br#"{"since":[1,{"\ud800":"\udc00\ud800"}],"discount":0}"#),
                reply("order", spaced, br#"{"order":"o-1","status":"rejected","reason":"unknown product"}"#),
            ]
        }
    }
}

fn take(steps: &mut Vec<Step>, suite: Suite) {
    let Suite { records, cases, after } = suite;
    steps.extend(records.into_iter().map(|record| Step::Store { store: record.key, value: record.value }));
    steps.extend(cases.into_iter().map(|case| match case.expected {
        Ok(expected) => reply(case.operation, &case.request, &expected),
        Err(expected) => error(case.operation, &case.request, &expected),
    }));
    steps.extend(after.into_iter().map(|record| Step::Holds { holds: record.key, value: record.value }));
}

fn reply(call: &str, request: &[u8], reply: &[u8]) -> Step {
    Step::Reply { call: call.to_owned(), request: request.to_vec(), reply: reply.to_vec() }
}

fn error(call: &str, request: &[u8], error: &str) -> Step {
    Step::Error { call: call.to_owned(), request: request.to_vec(), error: error.to_owned() }
}
