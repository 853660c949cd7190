//! The messages of `wascc:keyvalue`. Operations whose messages have the same fields share a type under several names.

use crate::message::message;
use crate::{List, field, writer};

message! {
    /// A message that is a key and nothing else.
    pub struct Key<'a> {
        /// The key.
        pub key: &'a str = "key" via field::text,
    }
}

message! {
    /// A message that is a key and a value.
    pub struct Item<'a> {
        /// The key.
        pub key: &'a str = "key" via field::text,
        /// The list's item or the set's member.
        pub value: &'a [u8] = "value" via field::value,
    }
}

message! {
    /// A message that is a list of keys.
    pub struct Keys<'a> {
        /// The keys.
        pub keys: List<'a> = "keys" via field::element,
    }
}

message! {
    /// How many items a list, or members a set, has after the operation.
    pub struct NewCount {
        /// That many.
        pub new_count: i64 = "newCount" via field::integer,
    }
}

message! {
    /// The items of a list, or the members of a set.
    pub struct Values<'a> {
        /// The values.
        pub values: List<'a> = "values" via field::element,
    }
}

/// `Get`: reads a value.
pub type GetRequest<'a> = Key<'a>;

message! {
    /// What `Get` answers.
    pub struct GetResponse<'a> {
        /// The value; empty when there is none.
        pub value: &'a [u8] = "value" via field::value,
        /// Whether the key is there.
        pub exists: bool = "exists" via field::boolean,
    }
}

message! {
    /// `Set`: writes a value.
    pub struct SetRequest<'a> {
        /// The key.
        pub key: &'a str = "key" via field::text,
        /// The value.
        pub value: &'a [u8] = "value" via field::value,
        /// The seconds until the value goes away; 0 is never.
        pub expires: i64 = "expires" via field::integer,
    }
}

message! {
    /// What `Set` answers.
    pub struct SetResponse<'a> {
        /// The value that was written.
        pub value: &'a [u8] = "value" via field::value,
    }
}

message! {
    /// `Add`: adds to a counter.
    pub struct AddRequest<'a> {
        /// The key.
        pub key: &'a str = "key" via field::text,
        /// How much.
        pub value: i64 = "value" via field::integer,
    }
}

message! {
    /// What `Add` answers.
    pub struct AddResponse {
        /// The sum.
        pub value: i64 = "value" via field::integer,
    }
}

/// `Del`: deletes a key.
pub type DelRequest<'a> = Key<'a>;
/// What `Del` answers: the key.
pub type DelResponse<'a> = Key<'a>;
/// `KeyExists`: asks whether a key is there.
pub type KeyExistsRequest<'a> = Key<'a>;
/// What `KeyExists` answers: no value, and whether the key is there.
pub type KeyExistsResponse<'a> = GetResponse<'a>;
/// `Clear`: removes a list.
pub type ClearRequest<'a> = Key<'a>;
/// What `Clear` answers: the key.
pub type ClearResponse<'a> = Key<'a>;

message! {
    /// `Range`: reads a part of a list.
    pub struct RangeRequest<'a> {
        /// The key.
        pub key: &'a str = "key" via field::text,
        /// The first item's index; negative numbers count from the end.
        pub start: i64 = "start" via field::integer,
        /// The last item's index, itself included.
        pub stop: i64 = "stop" via field::integer,
    }
}

/// What `Range` answers.
pub type RangeResponse<'a> = Values<'a>;
/// `Push`: appends to a list.
pub type PushRequest<'a> = Item<'a>;
/// What `Push` answers.
pub type PushResponse = NewCount;
/// `ListItemDelete`: removes an item from a list.
pub type ListItemDeleteRequest<'a> = Item<'a>;
/// What `ListItemDelete` answers.
pub type ListItemDeleteResponse = NewCount;
/// `SetAdd`: adds a member to a set.
pub type SetAddRequest<'a> = Item<'a>;
/// What `SetAdd` answers.
pub type SetAddResponse = NewCount;
/// `SetRemove`: removes a member from a set.
pub type SetRemoveRequest<'a> = Item<'a>;
/// What `SetRemove` answers.
pub type SetRemoveResponse = NewCount;
/// `SetUnion`: the members of any of the sets.
pub type SetUnionRequest<'a> = Keys<'a>;
/// What `SetUnion` answers.
pub type SetUnionResponse<'a> = Values<'a>;
/// `SetIntersection`: the members of all of the sets.
pub type SetIntersectionRequest<'a> = Keys<'a>;
/// What `SetIntersection` answers.
pub type SetIntersectionResponse<'a> = Values<'a>;
/// `SetQuery`: the members of a set.
pub type SetQueryRequest<'a> = Key<'a>;
/// What `SetQuery` answers.
pub type SetQueryResponse<'a> = Values<'a>;

// === impl GetResponse ===

impl GetResponse<'_> {
    /// Appends all of the message but the bytes of its value, and answers where in `out` they belong. Who can write
    /// from two places then need not copy a large value twice.
    pub fn encode_around_value(&self, out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(b"\x82\xa5value");
        writer::value_head(self.value, out);
        let place = out.len();
        out.extend_from_slice(b"\xa6exists");
        field::boolean::write(&self.exists, out);
        place
    }
}
