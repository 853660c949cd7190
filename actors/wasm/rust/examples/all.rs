//! The module `all`: every app, and what a guest may do to its host.

use pillion_guest::{apps, fault, visit};
use pillion_sdk::{export, operations};

operations! {
    /// What this module answers.
    pub fn answer {
        HandleRequest => visit,
        "echo" => apps::echo,
        "kv.get" => apps::kv_get,
        "kv.set" => apps::kv_set,
        "chain" => apps::chain,
        "counter" => apps::counter,
        "compute" => apps::compute,
        "order" => apps::order,
        "fault.trap" => fault::trap,
        "fault.loop" => fault::endless,
    }
}

export!(answer);
