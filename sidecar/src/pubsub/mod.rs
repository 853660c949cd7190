//! Publish and subscribe.
//!
//! A message is published by way of [`publish`], which puts it into a CloudEvent; what an app subscribes to is known to
//! [`Subscriptions`], which has each event delivered to the app or to who holds a stream.

mod asked;
mod component;
mod declared;
mod delivery;
mod envelope;
mod error;
mod event;
mod measure;
mod publish;
mod rules;
mod scopes;
mod stream;
mod subscription;
mod subscriptions;
mod trace;

pub(crate) use component::{Parts, PubSub, Terms};
pub(crate) use declared::read as declared;
pub(crate) use error::{bulk_forbidden, bulk_unreadable, entry_without_id};
pub(crate) use publish::{Entry, find, publish, publish_many};
pub(crate) use rules::Rule;
pub(crate) use scopes::{SETTINGS as SCOPE_SETTINGS, Scopes};
pub(crate) use stream::{StreamRequest, StreamResponse, stream};
pub(crate) use subscription::{Kind, Subscription};
pub(crate) use subscriptions::Subscriptions;
pub(crate) use trace::Trace;
