//! The scripts that make operations atomic on the server.

use std::sync::LazyLock;

use redis::Script;

use crate::redis::groups::GIVEN;

/// The scripts, each with its hash by which the server knows it.
pub(super) struct Scripts {
    pub(super) publish: Script,
    pub(super) bury: Script,
}

pub(super) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let script = |body: &str| Script::new(&[include_str!("common.lua"), GIVEN, body].concat());
    Scripts { publish: script(include_str!("publish.lua")), bury: script(include_str!("bury.lua")) }
});
