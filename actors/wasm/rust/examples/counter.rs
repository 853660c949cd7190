//! The module `counter`: the app of that name alone.

use pillion_guest::{apps, visit};
use pillion_sdk::{export, operations};

operations! {
    /// What this module answers.
    pub fn answer {
        HandleRequest => visit,
        "counter" => apps::counter,
    }
}

export!(answer);
