//! Links smaller where it can: with packed relocations, which are a twentieth of the binary otherwise, if the loader of this
//! machine knows them, and with functions that are the same there once, a hundredth of it, if the linker is Rust's own. Both
//! contenders are linked so, by this one file.

use std::env;
use std::process::Command;

/// The first glibc that does.
const SINCE: (u32, u32) = (2, 36);

fn main() {
    // Nothing else that changes has a say.
    for name in ["TARGET", "RUSTC_LINKER", "CARGO_ENCODED_RUSTFLAGS"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let said = |name: &str| env::var(name).unwrap_or_default();
    let target = said("TARGET");
    if said("HOST") == target && glibc().is_some_and(|version| version >= SINCE) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // Rust links with its own lld here (release notes of 1.90), unless somebody says otherwise. It promises no function an
    // address of its own. "safe" would leave nearly all as they are, as rustc does not say whose address counts. In a debug
    // build a stack would have other names.
    let others = said("RUSTC_LINKER") + &said("CARGO_ENCODED_RUSTFLAGS");
    if target == "x86_64-unknown-linux-gnu" && !others.contains("link") && said("PROFILE") == "release" {
        println!("cargo::rustc-link-arg-bins=-Wl,--icf=all");
    }
}

/// Its version; none where there is another library.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
