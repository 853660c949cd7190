//! What is encoded is decoded, whatever the fields hold.

use pillion_codec::{
    AddRequest, AddResponse, Blob, BlobList, BrokerMessage, ConfigurationChange, ConfigurationItem,
    ConfigurationItems, ConfigurationKeys, Event, EventValues, FileChunk, GeneratorRequest, GeneratorResult,
    GetRequest, GetResponse, Headers, Item, Keys, List, Map, Messages, NewCount, RangeRequest, Request,
    RequestMessage, Response, SecretNames, SecretRequest, SecretResponse, SecretText, SecretsResponse,
    SetRequest, SetResponse, StreamQuery, StreamRequest, StreamResults, SubscriptionId, TimeRange,
    Unsubscribed, Values, WriteLogRequest,
};
use proptest::collection::vec;
use proptest::prelude::*;

macro_rules! comes_back {
    ($type:ident, $message:expr) => {{
        let message = $message;
        let mut encoded = Vec::new();
        message.encode(&mut encoded);
        prop_assert_eq!($type::decode(&encoded), Ok(message));
    }};
}

proptest! {
    #[test]
    fn key_value_messages_come_back(
        key in ".*", value in vec(any::<u8>(), 0..400), number: i64, other: i64, exists: bool,
        items in vec(vec(any::<u8>(), 0..40), 0..40),
    ) {
        let items: Vec<&[u8]> = items.iter().map(Vec::as_slice).collect();
        let list = List::new(&items);
        comes_back!(GetRequest, GetRequest { key: &key });
        comes_back!(GetResponse, GetResponse { value: &value, exists });
        comes_back!(SetRequest, SetRequest { key: &key, value: &value, expires: number });
        comes_back!(SetResponse, SetResponse { value: &value });
        comes_back!(AddRequest, AddRequest { key: &key, value: number });
        comes_back!(AddResponse, AddResponse { value: number });
        comes_back!(RangeRequest, RangeRequest { key: &key, start: number, stop: other });
        comes_back!(Item, Item { key: &key, value: &value });
        comes_back!(NewCount, NewCount { new_count: number });
        comes_back!(Keys, Keys { keys: list });
        comes_back!(Values, Values { values: list });
    }

    #[test]
    fn http_messages_come_back(
        texts in vec(".*", 3), status_code: u32, body in vec(any::<u8>(), 0..400),
        header in vec((".*", ".*"), 0..20),
    ) {
        let pairs: Vec<(&str, &str)> = header.iter().map(|(name, value)| (&**name, &**value)).collect();
        let header = Headers::new(&pairs);
        comes_back!(Request, Request {
            method: &texts[0], path: &texts[1], query_string: &texts[2], header, body: &body,
        });
        comes_back!(Response, Response { status_code, status: &texts[0], header, body: &body });
    }

    #[test]
    fn the_other_messages_come_back(
        texts in vec(".*", 2), body in vec(any::<u8>(), 0..400), number: i64, small: u32, other: u32,
        flags: [bool; 3], guid in proptest::option::of(".*"),
    ) {
        let (subject, reply_to) = (&*texts[0], &*texts[1]);
        comes_back!(BrokerMessage, BrokerMessage { subject, reply_to, body: &body });
        comes_back!(RequestMessage, RequestMessage { subject, body: &body, timeout: number });
        let [guid_wanted, sequence, random] = flags;
        comes_back!(GeneratorRequest, GeneratorRequest {
            guid: guid_wanted, sequence, random, min: small, max: other,
        });
        comes_back!(GeneratorResult, GeneratorResult {
            guid: guid.as_deref(), sequence_number: number, random_number: small,
        });
        comes_back!(WriteLogRequest, WriteLogRequest { level: small, body: subject });
    }

    #[test]
    fn event_and_blob_messages_come_back(
        texts in vec(".*", 2), body in vec(any::<u8>(), 0..400), numbers: [u64; 3],
        context in proptest::option::of(".*"), range: bool,
        pairs in vec((".*", vec(any::<u8>(), 0..40)), 0..20), count in 0..20_usize,
    ) {
        let (one, other) = (&*texts[0], &*texts[1]);
        let [first, second, third] = numbers;
        let pairs: Vec<(&str, &[u8])> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let event = Event { event_id: one, stream: other, values: EventValues::new(&pairs) };
        comes_back!(Event, event);
        let events = vec![event; count];
        comes_back!(StreamResults, StreamResults { events: Messages::new(&events) });
        let range = range.then_some(TimeRange { min_time: first, max_time: second });
        comes_back!(StreamQuery, StreamQuery { stream_id: one, range, count: third });
        let blobs = vec![Blob { id: one, container: other, byte_size: first }; count];
        comes_back!(BlobList, BlobList { blobs: Messages::new(&blobs) });
        let context = context.as_deref();
        comes_back!(StreamRequest, StreamRequest { id: one, container: other, chunk_size: first, context });
        comes_back!(FileChunk, FileChunk {
            sequence_no: first, container: one, id: other, total_bytes: second, chunk_size: third, context,
            chunk_bytes: &body,
        });
    }

    #[test]
    fn secret_and_configuration_messages_come_back(
        texts in vec(".*", 3), exists: bool, pairs in vec((".*", ".*"), 0..20), count in 0..20_usize,
    ) {
        let [one, two, three] = [&*texts[0], &*texts[1], &*texts[2]];
        let names: Vec<&[u8]> = pairs.iter().map(|(name, _)| name.as_bytes()).collect();
        let names = List::new(&names);
        let values: Vec<_> = pairs.iter().map(|(name, value)| (&**name, SecretText::new(value))).collect();
        let values = Map::new(&values);
        comes_back!(SecretRequest, SecretRequest { secret: one });
        comes_back!(SecretResponse, SecretResponse { exists, values });
        comes_back!(SecretNames, SecretNames { secrets: names });
        let secrets = vec![(one, values); count];
        comes_back!(SecretsResponse, SecretsResponse { secrets: Map::new(&secrets) });
        let metadata: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let item = ConfigurationItem { value: one, version: two, metadata: Map::new(&metadata) };
        let items = vec![(three, item); count];
        let items = Map::new(&items);
        comes_back!(ConfigurationKeys, ConfigurationKeys { keys: names });
        comes_back!(ConfigurationItems, ConfigurationItems { items });
        comes_back!(ConfigurationChange, ConfigurationChange { id: one, items, removed: names });
        comes_back!(SubscriptionId, SubscriptionId { id: one });
        comes_back!(Unsubscribed, Unsubscribed { ended: exists });
    }

    #[test]
    fn no_secret_shows_in_debug_output(value in "[a-z]{12}", name in "[A-Z]{1,4}") {
        let pairs = [(&*name, SecretText::new(&value))];
        let values = Map::new(&pairs);
        let mut encoded = Vec::new();
        SecretResponse { exists: true, values }.encode(&mut encoded);
        let read = SecretResponse::decode(&encoded).expect("it was encoded");
        let secrets = [(&*name, read.values)];
        for shown in [format!("{read:?}"), format!("{:#?}", SecretsResponse { secrets: Map::new(&secrets) })] {
            prop_assert!(shown.contains(&*name) && shown.contains("REDACTED"), "{}", shown);
            prop_assert!(!shown.contains(&*value), "{}", shown);
        }
        prop_assert_eq!(read.values.iter().next().map(|(_, text)| text.expose()), Some(&*value));
    }

    #[test]
    fn a_response_written_around_its_value_is_the_same(value in vec(any::<u8>(), 0..400), exists: bool) {
        let response = GetResponse { value: &value, exists };
        let (mut whole, mut around) = (b"before".to_vec(), b"before".to_vec());
        response.encode(&mut whole);
        let place = response.encode_around_value(&mut around);
        around.splice(place..place, value.iter().copied());
        prop_assert_eq!(around, whole);
    }
}
