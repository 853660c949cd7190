//! The module `echo`: the app of that name alone.

use pillion_guest::apps;
use pillion_sdk::{export, operations};

operations! {
    /// What this module answers.
    pub fn answer {
        "echo" => apps::echo,
    }
}

export!(answer);
