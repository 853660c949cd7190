//! The module `kv`: the app of that name alone.

use pillion_guest::apps;
use pillion_sdk::{export, operations};

operations! {
    /// What this module answers.
    pub fn answer {
        "kv.get" => apps::kv_get,
        "kv.set" => apps::kv_set,
    }
}

export!(answer);
