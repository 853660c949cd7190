//! What somebody subscribes to.

use std::collections::BTreeMap;
use std::time::Duration;

use http::uri::PathAndQuery;

use super::publish::raw_payload;
use super::rules::Rule;
use crate::state::Metadata;

/// Who said that there is a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file.
    Declarative,
    /// The app, when it was asked.
    Programmatic,
    /// Who holds a stream.
    Streaming,
}

/// One subscription to one topic of one component.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    pub(crate) kind: Kind,
    pub(crate) pubsub: String,
    pub(crate) topic: String,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) rules: Vec<Rule>,
    /// Where what the app drops goes.
    pub(crate) dead_letter: Option<String>,
    /// Whether messages come without an envelope.
    pub(crate) raw: bool,
    /// How many events are delivered at a time, if more than one may be.
    pub(crate) bulk: Option<Bulk>,
}

/// How events are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bulk {
    /// As many as that at most.
    pub(crate) most: usize,
    /// No longer than that after the first.
    pub(crate) wait: Duration,
}

/// What is said of a subscription, wherever it is said.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) pubsub: String,
    pub(super) topic: String,
    pub(super) metadata: BTreeMap<String, String>,
    /// Conditions and paths.
    pub(super) rules: Vec<(String, String)>,
    /// The path of what meets no condition.
    pub(super) default: Option<String>,
    pub(super) dead_letter: Option<String>,
    pub(super) bulk: Option<SaidBulk>,
}

/// What is said of gathering.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SaidBulk {
    pub(super) enabled: bool,
    pub(super) most: i64,
    pub(super) wait_ms: i64,
}

const BULK_MOST: usize = 100;
const BULK_WAIT: Duration = Duration::from_millis(1000);
/// More than that are not gathered.
const BULK_LIMIT: usize = 10_000;

// === impl Kind ===

impl Kind {
    /// The name that metadata tells.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Declarative => "DECLARATIVE",
            Self::Programmatic => "PROGRAMMATIC",
            Self::Streaming => "STREAMING",
        }
    }
}

// === impl Subscription ===

impl Subscription {
    /// The subscription that is said, for an app that is called by paths or one that is not.
    ///
    /// # Errors
    /// What is missing or wrong in it.
    pub(super) fn new(kind: Kind, said: Said, by_path: bool) -> Result<Self, String> {
        let Said { pubsub, topic, metadata, rules, default, dead_letter, bulk } = said;
        if pubsub.is_empty() {
            return Err("pubsubname is missing: the component that it is of".to_owned());
        }
        if topic.is_empty() {
            return Err(format!("topic is missing: what of component {pubsub} it is to"));
        }
        let mut made = rules
            .into_iter()
            .map(|(condition, path)| Rule::new(&condition, path))
            .collect::<Result<Vec<_>, _>>()?;
        match default {
            Some(path) if !path.is_empty() => made.push(Rule::new("", path)?),
            // Such an app is told the path, and need not look at it.
            _ if made.is_empty() && !by_path => made.push(Rule::new("", "")?),
            _ => {}
        }
        if made.is_empty() {
            return Err("it has no route: the path of the app that is for its events".to_owned());
        }
        if by_path {
            for Rule { path, .. } in &made {
                target(path).map_err(|error| format!("the path {path:?} is none: {error}"))?;
            }
        }
        let raw = raw_payload(&metadata.clone().into_iter().collect::<Metadata>())?;
        let dead_letter = dead_letter.filter(|topic| !topic.is_empty());
        let bulk = bulk.filter(|bulk| bulk.enabled).map(Bulk::from);
        Ok(Self { kind, pubsub, topic, metadata, rules: made, dead_letter, raw, bulk })
    }

    /// Of whom, to what: no two that are heard are of the same.
    pub(super) fn place(&self) -> (&str, &str) {
        (&self.pubsub, &self.topic)
    }
}

impl From<SaidBulk> for Bulk {
    fn from(said: SaidBulk) -> Self {
        let most = usize::try_from(said.most).ok().filter(|most| *most > 0).unwrap_or(BULK_MOST);
        let wait = u64::try_from(said.wait_ms).ok().filter(|wait| *wait > 0);
        Self { most: most.min(BULK_LIMIT), wait: wait.map_or(BULK_WAIT, Duration::from_millis) }
    }
}

// === free functions ===

/// A path of the app as a request has it.
pub(super) fn target(path: &str) -> Result<PathAndQuery, http::uri::InvalidUri> {
    format!("/{}", path.trim_start_matches('/')).parse()
}
