//! The scripts that make operations atomic on the server.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// The scripts, each with its hash by which the server knows it.
pub(super) struct Scripts {
    pub(super) set: Script,
    pub(super) delete: Script,
    pub(super) add: Script,
    pub(super) list_clear: Script,
    pub(super) bulk_get: Script,
    pub(super) transact: Script,
}

pub(super) static SCRIPTS: LazyLock<Scripts> = LazyLock::new(|| {
    let script = |body: &str| Script::new(&[include_str!("common.lua"), body].concat());
    Scripts {
        set: script(include_str!("set.lua")),
        delete: script(include_str!("delete.lua")),
        add: script(include_str!("add.lua")),
        list_clear: script(include_str!("list_clear.lua")),
        bulk_get: script(include_str!("bulk_get.lua")),
        transact: script(include_str!("transact.lua")),
    }
});

/// The call of a script on `keys`, to which its arguments are to be added. Made by hand since the crate's own
/// `ScriptInvocation` borrows the script and copies every argument once more.
pub(crate) fn call<'a>(script: &Script, keys: impl ExactSizeIterator<Item = &'a str>) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.get_hash()).arg(keys.len());
    for key in keys {
        command.arg(key);
    }
    command
}
