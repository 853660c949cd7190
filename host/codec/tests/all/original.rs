//! The messages as waSCC's own codec writes and reads them: `rmp-serde` over these structs.

use std::collections::HashMap;

use pillion_codec as ours;
use rmp_serde::Serializer;
use serde::{Deserialize, Serialize};

/// As real actors send it: a map with field names.
fn named<T: Serialize>(message: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.serialize(&mut Serializer::new(&mut bytes).with_struct_map()).expect("it serialises");
    bytes
}

/// The compact form: an array.
fn compact<T: Serialize>(message: &T) -> Vec<u8> {
    rmp_serde::to_vec(message).expect("it serialises")
}

macro_rules! original {
    ($($name:ident { $($field:ident: $type:ty),+ })+) => {$(
        #[derive(Serialize, Deserialize, PartialEq, Debug)]
        #[serde(rename_all = "camelCase")]
        struct $name { $($field: $type),+ }
    )+};
}

original! {
    Key { key: String }
    Item { key: String, value: String }
    Keys { keys: Vec<String> }
    NewCount { new_count: i32 }
    Values { values: Vec<String> }
    GetResponse { value: String, exists: bool }
    SetRequest { key: String, value: String, expires: i32 }
    SetResponse { value: String }
    AddRequest { key: String, value: i32 }
    AddResponse { value: i32 }
    RangeRequest { key: String, start: i32, stop: i32 }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    path: String,
    query_string: String,
    header: HashMap<String, String>,
    #[serde(with = "bytes")]
    body: Vec<u8>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
struct Response {
    status_code: u32,
    status: String,
    header: HashMap<String, String>,
    #[serde(with = "bytes")]
    body: Vec<u8>,
}

/// What `serde_bytes` does.
mod bytes {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}

/// Encodes both, and lets each side read what the other wrote.
macro_rules! same {
    ($theirs:expr, $type:ty, $ours:expr) => {{
        let (theirs, ours) = ($theirs, $ours);
        let mut encoded = Vec::new();
        ours.encode(&mut encoded);
        assert_eq!(encoded, named(&theirs), "byte for byte what rmp-serde writes");
        let read: $type = rmp_serde::from_slice(&encoded).expect("the original reads what we write");
        assert_eq!(read, theirs);
        encoded
    }};
}

/// As [`same`], and reads all forms with our type.
macro_rules! both {
    ($theirs:expr, $type:ident, $ours_type:ident $(<$life:lifetime>)?, $ours:expr) => {{
        let theirs = $theirs;
        let compact = compact(&theirs);
        let ours = $ours;
        let mut encoded = same!(theirs, $type, ours);
        assert_eq!(ours::$ours_type::decode(&encoded).expect("we read maps"), ours);
        assert_eq!(ours::$ours_type::decode(&compact).expect("we read arrays"), ours);
        encoded.push(0);
        assert_eq!(ours::$ours_type::decode(&encoded).expect("we tolerate a trailing NUL"), ours);
    }};
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[test]
fn key_value_messages_are_those_of_the_original() {
    let long = "x".repeat(70_000);
    for value in
        ["", "a", "ümläut", &long[..31], &long[..32], &long[..255], &long[..256], &long[..65_536], &long]
    {
        both!(Key { key: text(value) }, Key, GetRequest, ours::GetRequest { key: value });
        both!(
            Item { key: text("k"), value: text(value) },
            Item,
            PushRequest,
            ours::PushRequest { key: "k", value: value.as_bytes() }
        );
        both!(
            GetResponse { value: text(value), exists: true },
            GetResponse,
            GetResponse,
            ours::GetResponse { value: value.as_bytes(), exists: true }
        );
        both!(
            SetRequest { key: text("k"), value: text(value), expires: 9 },
            SetRequest,
            SetRequest,
            ours::SetRequest { key: "k", value: value.as_bytes(), expires: 9 }
        );
        both!(
            SetResponse { value: text(value) },
            SetResponse,
            SetResponse,
            ours::SetResponse { value: value.as_bytes() }
        );
    }
}

#[test]
fn numbers_are_those_of_the_original_at_every_width() {
    let edges = [
        0,
        1,
        127,
        128,
        255,
        256,
        65_535,
        65_536,
        i32::MAX,
        -1,
        -32,
        -33,
        -128,
        -129,
        -32_768,
        -32_769,
        i32::MIN,
    ];
    for number in edges {
        let wide = i64::from(number);
        both!(
            AddRequest { key: text("k"), value: number },
            AddRequest,
            AddRequest,
            ours::AddRequest { key: "k", value: wide }
        );
        both!(AddResponse { value: number }, AddResponse, AddResponse, ours::AddResponse { value: wide });
        both!(NewCount { new_count: number }, NewCount, PushResponse, ours::PushResponse { new_count: wide });
        both!(
            RangeRequest { key: text("k"), start: number, stop: -1 },
            RangeRequest,
            RangeRequest,
            ours::RangeRequest { key: "k", start: wide, stop: -1 }
        );
    }
}

#[test]
fn lists_are_those_of_the_original_at_every_width() {
    for count in [0, 1, 15, 16, 65_535, 65_536] {
        let items = vec![text("item"); count];
        let borrowed: Vec<&[u8]> = items.iter().map(String::as_bytes).collect();
        let list = ours::List::new(&borrowed);
        both!(Values { values: items.clone() }, Values, RangeResponse, ours::RangeResponse { values: list });
        both!(Keys { keys: items.clone() }, Keys, SetUnionRequest, ours::SetUnionRequest { keys: list });
    }
}

#[test]
fn http_messages_are_those_of_the_original() {
    let header = HashMap::from([(text("content-type"), text("text/plain"))]);
    let pairs = [("content-type", "text/plain")];
    for body in [vec![], vec![0xff; 300], vec![7; 70_000]] {
        both!(
            Request {
                method: text("GET"),
                path: text("/counter/one"),
                query_string: text(""),
                header: header.clone(),
                body: body.clone()
            },
            Request,
            Request,
            ours::Request {
                method: "GET",
                path: "/counter/one",
                query_string: "",
                header: ours::Headers::new(&pairs),
                body: &body
            }
        );
        both!(
            Response {
                status_code: 404,
                status: text("Not Found"),
                header: header.clone(),
                body: body.clone()
            },
            Response,
            Response,
            ours::Response {
                status_code: 404,
                status: "Not Found",
                header: ours::Headers::new(&pairs),
                body: &body
            }
        );
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_id: String,
    stream: String,
    #[serde(default)]
    values: HashMap<String, String>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
struct StreamQuery {
    stream_id: String,
    #[serde(default)]
    range: Option<TimeRange>,
    count: u64,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
struct FileChunk {
    sequence_no: u64,
    container: String,
    id: String,
    total_bytes: u64,
    chunk_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    #[serde(with = "bytes")]
    #[serde(default)]
    chunk_bytes: Vec<u8>,
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(rename_all = "camelCase")]
struct StreamRequest {
    id: String,
    container: String,
    chunk_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
}

original! {
    WriteResponse { event_id: String }
    TimeRange { min_time: u64, max_time: u64 }
    StreamResults { events: Vec<Event> }
    Container { id: String }
    Blob { id: String, container: String, byte_size: u64 }
    BlobList { blobs: Vec<Blob> }
}

#[test]
fn event_messages_are_those_of_the_original() {
    let pairs = [("name", &b"value"[..])];
    let theirs = || Event {
        event_id: text("7-0"),
        stream: text("s"),
        values: HashMap::from([(text("name"), text("value"))]),
    };
    let one = ours::Event { event_id: "7-0", stream: "s", values: ours::EventValues::new(&pairs) };
    both!(theirs(), Event, Event, one);
    both!(
        WriteResponse { event_id: text("7-0") },
        WriteResponse,
        WriteResponse,
        ours::WriteResponse { event_id: "7-0" }
    );
    for count in [0, 1, 15, 16, 70_000] {
        let events = vec![one; count];
        both!(
            StreamResults { events: (0..count).map(|_| theirs()).collect() },
            StreamResults,
            StreamResults,
            ours::StreamResults { events: ours::Messages::new(&events) }
        );
    }
    for count in [0, 42, u64::MAX] {
        let range = Some(ours::TimeRange { min_time: count, max_time: u64::MAX });
        both!(
            StreamQuery {
                stream_id: text("s"),
                range: Some(TimeRange { min_time: count, max_time: u64::MAX }),
                count
            },
            StreamQuery,
            StreamQuery,
            ours::StreamQuery { stream_id: "s", range, count }
        );
        both!(
            StreamQuery { stream_id: text("s"), range: None, count },
            StreamQuery,
            StreamQuery,
            ours::StreamQuery { stream_id: "s", range: None, count }
        );
    }
    let bare = named(&HashMap::from([("eventId", "e"), ("stream", "s")]));
    assert!(ours::Event::decode(&bare).expect("values may be missing").values.is_empty());
}

#[test]
fn blob_messages_are_those_of_the_original() {
    both!(Container { id: text("c") }, Container, Container, ours::Container { id: "c" });
    let theirs = || Blob { id: text("o"), container: text("c"), byte_size: u64::MAX };
    let blobs = [ours::Blob { id: "o", container: "c", byte_size: u64::MAX }; 2];
    let blob = ours::Blob { id: "o", container: "c", byte_size: u64::MAX };
    both!(theirs(), Blob, Blob, blob);
    both!(
        BlobList { blobs: vec![theirs(), theirs()] },
        BlobList,
        BlobList,
        ours::BlobList { blobs: ours::Messages::new(&blobs) }
    );
    let chunk = |context: Option<&str>| FileChunk {
        sequence_no: 5,
        container: text("c"),
        id: text("o"),
        total_bytes: 53_400,
        chunk_size: 1_024,
        context: context.map(text),
        chunk_bytes: vec![0xff; 300],
    };
    let our_chunk = |context| ours::FileChunk {
        sequence_no: 5,
        container: "c",
        id: "o",
        total_bytes: 53_400,
        chunk_size: 1_024,
        context,
        chunk_bytes: &[0xff; 300],
    };
    both!(chunk(Some("x")), FileChunk, FileChunk, our_chunk(Some("x")));
    let request = |context: Option<&str>| StreamRequest {
        id: text("o"),
        container: text("c"),
        chunk_size: 7,
        context: context.map(text),
    };
    let our_request = |context| ours::StreamRequest { id: "o", container: "c", chunk_size: 7, context };
    both!(request(Some("x")), StreamRequest, StreamRequest, our_request(Some("x")));
    // What is not there the original leaves out; we write it as nothing. Each reads the other's.
    assert_eq!(ours::FileChunk::decode(&named(&chunk(None))), Ok(our_chunk(None)));
    assert_eq!(ours::StreamRequest::decode(&named(&request(None))), Ok(our_request(None)));
    let (mut one, mut other) = (Vec::new(), Vec::new());
    our_chunk(None).encode(&mut one);
    our_request(None).encode(&mut other);
    assert_eq!(rmp_serde::from_slice::<FileChunk>(&one).expect("it is read"), chunk(None));
    assert_eq!(rmp_serde::from_slice::<StreamRequest>(&other).expect("it is read"), request(None));
}

#[test]
fn any_order_and_unknown_fields_are_read() {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Newer {
        unknown: Vec<HashMap<String, Option<f64>>>,
        expires: u64,
        more: (u8, i64, f32, bool, String),
        value: String,
        key: String,
    }
    let newer = Newer {
        unknown: vec![HashMap::from([(text("a"), Some(1.5)), (text("b"), None)])],
        expires: 5,
        more: (200, -70_000, 0.5, true, text("more")),
        value: text("v"),
        key: text("k"),
    };
    let expected = ours::SetRequest { key: "k", value: b"v", expires: 5 };
    assert_eq!(ours::SetRequest::decode(&named(&newer)), Ok(expected));
}

#[test]
fn a_value_that_is_no_text_travels_as_bytes() {
    let mut encoded = Vec::new();
    let response = ours::GetResponse { value: &[0xff, 0xfe], exists: true };
    response.encode(&mut encoded);
    assert_eq!(encoded[7], 0xc4, "a bin");
    assert_eq!(ours::GetResponse::decode(&encoded), Ok(response));
}
