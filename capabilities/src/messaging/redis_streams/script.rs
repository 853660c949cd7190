//! The scripts that make operations atomic on the server.

use std::sync::LazyLock;

use redis::Script;

/// The scripts, each with its hash by which the server knows it.
pub(super) struct Scripts {
    pub(super) publish: Script,
    pub(super) claim: Script,
    pub(super) give_back: Script,
    pub(super) bury: Script,
    pub(super) leave: Script,
    pub(super) join_alone: Script,
}

pub(super) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let script = |body: &str| Script::new(&[include_str!("common.lua"), body].concat());
    Scripts {
        publish: script(include_str!("publish.lua")),
        claim: script(include_str!("claim.lua")),
        give_back: script(include_str!("give_back.lua")),
        bury: script(include_str!("bury.lua")),
        leave: script(include_str!("leave.lua")),
        join_alone: script(include_str!("join_alone.lua")),
    }
});
