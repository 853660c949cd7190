//! The scripts that make operations on groups atomic on the server.

use std::sync::LazyLock;

use redis::Script;

/// The scripts, each with its hash by which the server knows it.
pub(super) struct Scripts {
    pub(super) claim: Script,
    pub(super) give_back: Script,
    pub(super) leave: Script,
    pub(super) join_alone: Script,
}

/// How a script looks whether an entry is still with a consumer.
pub(crate) const GIVEN: &str = include_str!("given.lua");

pub(super) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let script = |body: &str| Script::new(&[GIVEN, body].concat());
    Scripts {
        claim: script(include_str!("claim.lua")),
        give_back: script(include_str!("give_back.lua")),
        leave: script(include_str!("leave.lua")),
        join_alone: script(include_str!("join_alone.lua")),
    }
});
