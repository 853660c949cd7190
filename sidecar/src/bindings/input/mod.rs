//! Input bindings: the world outside calls the app.

mod answer;
mod app;
mod run;
mod schedule;

use std::sync::{Arc, OnceLock};

pub(crate) use run::begin;
pub(crate) use schedule::Schedule;

use crate::metrics::Meter;
use crate::resiliency::Policy;

/// An input binding: what a component's name stands for.
#[derive(Debug)]
pub(crate) struct InputBinding {
    pub(crate) name: String,
    /// Where the app takes its events: the setting `route`, or else its name.
    pub(crate) route: String,
    /// Whether the component says itself that it is an input, so that the app need not be asked.
    pub(crate) certain: bool,
    pub(crate) source: Source,
    /// What is done where the app fails with an event, if anything is said.
    pub(crate) inbound: Option<Policy>,
    pub(crate) meter: OnceLock<Meter>,
}

/// Where events come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// `bindings.cron`
    Cron(Schedule),
}

/// What is counted of events: there is but one kind of them.
pub(crate) const MEASURED: &[&str] = &[""];

/// Something that happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Event {
    pub(super) data: Vec<u8>,
    pub(super) metadata: Vec<(&'static str, String)>,
}

/// A binding that is read.
type Read = Arc<InputBinding>;
