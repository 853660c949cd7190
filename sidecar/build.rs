//! Links with packed relocations, which are a twentieth of the binary otherwise, where the loader of this machine knows them.
//! Both contenders are linked so, by this one file.

use std::env;
use std::process::Command;

/// The first glibc that does.
const SINCE: (u32, u32) = (2, 36);

fn main() {
    // Nothing else that changes has a say.
    println!("cargo::rerun-if-env-changed=TARGET");
    let is_own = env::var("HOST").is_ok_and(|host| env::var("TARGET").is_ok_and(|target| target == host));
    if is_own && glibc().is_some_and(|version| version >= SINCE) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Its version; none where there is another library.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
