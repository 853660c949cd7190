//! Bytes that are no message: an error each, quickly, and never a panic.

use pillion_codec::{
    AddRequest, AddResponse, Blob, BlobList, ConfigurationChange, ConfigurationItem, DecodeError, Event,
    EventValues, FileChunk, GetRequest, GetResponse, Headers, Item, Keys, List, Map, Messages, NewCount,
    RangeRequest, Request, Response, SecretNames, SecretText, SecretsResponse, SetRequest, SetResponse,
    StreamQuery, StreamResults, Values,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Decodes as everything, and walks whatever was read.
fn decode_as_everything(bytes: &[u8]) {
    let _ = GetRequest::decode(bytes);
    let _ = GetResponse::decode(bytes);
    let _ = SetRequest::decode(bytes);
    let _ = SetResponse::decode(bytes);
    let _ = AddRequest::decode(bytes);
    let _ = AddResponse::decode(bytes);
    let _ = RangeRequest::decode(bytes);
    let _ = Item::decode(bytes);
    let _ = NewCount::decode(bytes);
    let _ = FileChunk::decode(bytes);
    let _ = StreamQuery::decode(bytes);
    if let Ok(SecretsResponse { secrets }) = SecretsResponse::decode(bytes) {
        assert_eq!(secrets.iter().count(), secrets.len());
        assert!(secrets.iter().all(|(_, values)| values.iter().count() == values.len()));
    }
    if let Ok(ConfigurationChange { items, removed, .. }) = ConfigurationChange::decode(bytes) {
        assert_eq!((items.iter().count(), removed.iter().count()), (items.len(), removed.len()));
        assert!(items.iter().all(|(_, item)| item.metadata.iter().count() == item.metadata.len()));
    }
    let _ = SecretNames::decode(bytes);
    if let Ok(BlobList { blobs }) = BlobList::decode(bytes) {
        assert_eq!(blobs.iter().count(), blobs.len());
    }
    if let Ok(StreamResults { events }) = StreamResults::decode(bytes) {
        assert_eq!(events.iter().count(), events.len());
        assert!(events.iter().all(|event| event.values.iter().count() == event.values.len()));
    }
    for list in [Keys::decode(bytes).map(|it| it.keys), Values::decode(bytes).map(|it| it.values)]
        .into_iter()
        .flatten()
    {
        assert_eq!(list.iter().count(), list.len());
    }
    for header in [Request::decode(bytes).map(|it| it.header), Response::decode(bytes).map(|it| it.header)]
        .into_iter()
        .flatten()
    {
        assert_eq!(header.iter().count(), header.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn a_changed_message_never_panics(at: prop::sample::Index, to: u8, cut: prop::sample::Index) {
        let mut encoded = Vec::new();
        Request {
            method: "GET", path: "/", query_string: "", header: Headers::new(&[("a", "b")]), body: b"body",
        }
        .encode(&mut encoded);
        let values = [("name", &b"value"[..])];
        let events = [Event { event_id: "1-0", stream: "s", values: EventValues::new(&values) }; 2];
        let mut others = Vec::new();
        StreamResults { events: Messages::new(&events) }.encode(&mut others);
        let split = others.len();
        let blobs = [Blob { id: "o", container: "c", byte_size: 7 }; 2];
        BlobList { blobs: Messages::new(&blobs) }.encode(&mut others);
        let place = at.index(others.len());
        others[place] = to;
        decode_as_everything(&others[..split]);
        decode_as_everything(&others[split..]);
        let mut ours = Vec::new();
        let values = [("key", SecretText::new("value"))];
        let secrets = [("name", Map::new(&values))];
        SecretsResponse { secrets: Map::new(&secrets) }.encode(&mut ours);
        let split = ours.len();
        let item = ConfigurationItem { value: "1", version: "2", metadata: Map::new(&[("a", "b")]) };
        let removed = [&b"gone"[..]];
        let items = [("k", item)];
        let change = ConfigurationChange { id: "7", items: Map::new(&items), removed: List::new(&removed) };
        change.encode(&mut ours);
        let place = at.index(ours.len());
        ours[place] = to;
        decode_as_everything(&ours[..split]);
        decode_as_everything(&ours[split..]);
        let place = at.index(encoded.len());
        encoded[place] = to;
        decode_as_everything(&encoded);
        decode_as_everything(&encoded[..cut.index(encoded.len())]);
    }
}

#[test]
fn every_cut_of_a_message_is_an_error() {
    let mut encoded = Vec::new();
    SetRequest { key: "key", value: &[b'v'; 300], expires: 70_000 }.encode(&mut encoded);
    for end in 0..encoded.len() {
        assert_eq!(SetRequest::decode(&encoded[..end]), Err(DecodeError::Truncated), "cut at {end}");
    }
}

#[test]
fn each_defect_has_its_error() {
    use DecodeError::{
        DuplicateField, MissingField, NotUtf8, OutOfRange, TooDeep, TrailingBytes, Truncated, WrongKind,
    };
    let cases: [(&[u8], DecodeError); 9] = [
        (b"", Truncated),
        (b"\x80", MissingField("key")),
        (b"\x90", MissingField("key")),
        (b"\xc0", WrongKind { expected: "a map or an array", marker: 0xc0 }),
        (b"\x81\xa3key\x01", WrongKind { expected: "a text or bytes", marker: 1 }),
        (b"\x81\xa3key\xa1\xff", NotUtf8),
        (b"\x82\xa3key\xa1k\xa3key\xa1k", DuplicateField("key")),
        (b"\x81\xa3key\xa1k!", TrailingBytes),
        (b"\x81\xa3key\xdb\xff\xff\xff\xffk", Truncated),
    ];
    for (bytes, error) in cases {
        assert_eq!(GetRequest::decode(bytes), Err(error), "{bytes:x?}");
    }
    assert_eq!(AddResponse::decode(b"\x81\xa5value\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), Err(OutOfRange));
    let deep = [&b"\x82\xa1x"[..], &[0x91; 100_000], b"\x01\xa3key\xa1k"].concat();
    assert_eq!(GetRequest::decode(&deep), Err(TooDeep));
}

#[test]
fn a_false_count_ends_with_the_bytes() {
    assert_eq!(Values::decode(b"\x81\xa6values\xdd\xff\xff\xff\xff"), Err(DecodeError::Truncated));
    assert_eq!(GetRequest::decode(b"\x81\xa1x\xdf\xff\xff\xff\xff"), Err(DecodeError::Truncated));
    assert_eq!(GetRequest::decode(b"\xdf\xff\xff\xff\xff"), Err(DecodeError::Truncated));
}
