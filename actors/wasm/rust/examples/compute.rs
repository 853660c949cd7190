//! The module `compute`: the app of that name alone.

use pillion_guest::apps;
use pillion_sdk::{export, operations};

operations! {
    /// What this module answers.
    pub fn answer {
        "compute" => apps::compute,
    }
}

export!(answer);
