//! The module `chain`: the app of that name alone.

use pillion_guest::apps;
use pillion_sdk::{export, operations};

operations! {
    /// What this module answers.
    pub fn answer {
        "chain" => apps::chain,
    }
}

export!(answer);
