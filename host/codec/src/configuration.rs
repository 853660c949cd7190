//! The messages of `pillion:configuration`. waSCC has no such contract: this one is ours.

use crate::field;
use crate::message::message;
use crate::sequence::{List, Map, nested};

message! {
    /// `Get` and `Subscribe`.
    pub struct ConfigurationKeys<'a> {
        /// The keys, as texts; none for all.
        pub keys: List<'a> = "keys" via field::sequence_or_none,
    }
}

message! {
    /// What stands under a key.
    pub struct ConfigurationItem<'a> {
        /// The value.
        pub value: &'a str = "value" via field::text,
        /// What tells this value from others of its key; may be empty.
        pub version: &'a str = "version" via field::text,
        /// What else is said of it.
        pub metadata: Map<'a, &'a str> = "metadata" via field::element,
    }
}

nested!(ConfigurationItem<'a>);

message! {
    /// What `Get` answers.
    pub struct ConfigurationItems<'a> {
        /// The items that are there, by key.
        pub items: Map<'a, ConfigurationItem<'a>> = "items" via field::element,
    }
}

message! {
    /// What `Subscribe` answers, and `Unsubscribe`.
    pub struct SubscriptionId<'a> {
        /// Tells the subscription from others.
        pub id: &'a str = "id" via field::text,
    }
}

message! {
    /// What `Unsubscribe` answers.
    pub struct Unsubscribed {
        /// Whether there was such a subscription.
        pub ended: bool = "ended" via field::boolean,
    }
}

message! {
    /// What `DeliverConfiguration` brings to an actor.
    pub struct ConfigurationChange<'a> {
        /// The subscription that it is for.
        pub id: &'a str = "id" via field::text,
        /// What is new or otherwise than before, by key.
        pub items: Map<'a, ConfigurationItem<'a>> = "items" via field::element,
        /// The keys, as texts, that are not there any more.
        pub removed: List<'a> = "removed" via field::element,
    }
}
