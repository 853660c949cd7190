//! The apps.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An app, which may have several operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum App {
    /// `echo`
    Echo,
    /// `kv.get` and `kv.set`
    Kv,
    /// `chain`
    Chain,
    /// `counter`
    Counter,
    /// `compute`
    Compute,
    /// `order`
    Order,
}

/// No app has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no app is called {0:?}; there are echo, kv, chain, counter, compute, order")]
pub struct UnknownApp(String);

// === impl App ===

impl App {
    /// Every app.
    pub const ALL: [Self; 6] = [Self::Echo, Self::Kv, Self::Chain, Self::Counter, Self::Compute, Self::Order];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Kv => "kv",
            Self::Chain => "chain",
            Self::Counter => "counter",
            Self::Compute => "compute",
            Self::Order => "order",
        }
    }

    /// The operations that it answers.
    #[must_use]
    pub const fn operations(self) -> &'static [&'static str] {
        match self {
            Self::Echo => &["echo"],
            Self::Kv => &["kv.get", "kv.set"],
            Self::Chain => &["chain"],
            Self::Counter => &["counter"],
            Self::Compute => &["compute"],
            Self::Order => &["order"],
        }
    }
}

impl fmt::Display for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for App {
    type Err = UnknownApp;

    fn from_str(name: &str) -> Result<Self, UnknownApp> {
        let known = Self::ALL.into_iter().find(|app| app.name() == name);
        known.ok_or_else(|| UnknownApp(name.to_owned()))
    }
}
