//! What is encoded is decoded, whatever the fields hold.

use pillion_codec::{
    AddRequest, AddResponse, BrokerMessage, GeneratorRequest, GeneratorResult, GetRequest, GetResponse,
    Headers, Item, Keys, List, NewCount, RangeRequest, Request, RequestMessage, Response, SetRequest,
    SetResponse, Values, WriteLogRequest,
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
    fn a_response_written_around_its_value_is_the_same(value in vec(any::<u8>(), 0..400), exists: bool) {
        let response = GetResponse { value: &value, exists };
        let (mut whole, mut around) = (b"before".to_vec(), b"before".to_vec());
        response.encode(&mut whole);
        let place = response.encode_around_value(&mut around);
        around.splice(place..place, value.iter().copied());
        prop_assert_eq!(around, whole);
    }
}
