#!/usr/bin/env bash
# Makes sure that cargo can build guests for wasm32-unknown-unknown, and prints the shell lines that say how:
#
#     lines=$(scripts/ensure-wasm-target.sh) && eval "$lines"
#     cargo build --target wasm32-unknown-unknown …
#
# 1. If the active rustc has the target, nothing else is needed (the lines are a comment).
# 2. Otherwise `rustup target add` is tried, unless WASM_NO_RUSTUP_ADD=1.
# 3. Otherwise std is built once, from source, with Debian's rustc-web. Its packages are unpacked into
#    WASM_TOOLCHAIN_DIR (default: ~/.cache/pillion-wasm), not installed: nothing else on the machine changes.
set -euo pipefail

target=wasm32-unknown-unknown
home=${WASM_TOOLCHAIN_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/pillion-wasm}
private=$home/bin/rustc
# What a caller sets for its own crates is not meant for std.
unset RUSTC RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET RUSTC_WRAPPER

say() { echo "ensure-wasm-target: $*" >&2; }
fail() { say "$*"; exit 1; }

# Whether this rustc compiles and links a library with std for the target.
works() {
  [ -x "$(command -v "$1")" ] || return 1
  local scratch; scratch=$(mktemp -d)
  echo '#[unsafe(no_mangle)] pub extern "C" fn probe(n: u32) -> usize { format!("{n}").len() }' >"$scratch/probe.rs"
  local verdict=0
  (cd "$scratch" && "$1" --edition 2024 --crate-type cdylib --target "$target" probe.rs) >/dev/null 2>&1 || verdict=1
  rm -rf "$scratch"
  return $verdict
}

finish() {
  echo "# $("$1" --version)"
  if [ "$1" = "$private" ]; then printf 'export RUSTC=%q\n' "$private"; fi
  exit 0
}

if works rustc; then finish rustc; fi
if works "$private"; then finish "$private"; fi
if [ "${WASM_NO_RUSTUP_ADD:-0}" != 1 ] && command -v rustup >/dev/null; then
  say "rustup target add $target"
  if timeout 180 rustup target add "$target" >&2 && works rustc; then finish rustc; fi
  say "rustup cannot add it here; building std from Debian's sources instead"
fi

mkdir -p "$(dirname "$home")"
exec 9>"$home.lock"
flock 9 # one builder at a time; the others find its work
if works "$private"; then finish "$private"; fi
command -v cargo >/dev/null || fail "no cargo; install Rust from https://rustup.rs"
command -v apt-cache >/dev/null && command -v dpkg-deb >/dev/null ||
  fail "no apt on this machine; add the target with: rustup target add $target"

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

if [ "$(id -u)" = 0 ]; then apt-get -qq update >&2 || say "apt-get update failed; going on with the lists that are there"; fi
version=$(apt-cache policy rustc-web | sed -n 's/^ *Candidate: //p')
case $version in
  '' | '(none)') fail "apt knows no rustc-web; enable Debian's updates, or add the target with: rustup target add $target" ;;
esac
depends() { apt-cache show "$1=$version" | sed -n "s/^Depends:.*\($2\).*/\1/p" | head -n 1; }
std=$(depends libstd-rust-web-dev 'libstd-rust-web-[0-9][0-9.]*[0-9]')
llvm=$(depends "$std" 'libllvm[0-9]*')
packages=("rustc-web=$version" "$std=$version" "libstd-rust-web-dev=$version" "$llvm" "lld-${llvm#libllvm}")
say "unpacking into $home: ${packages[*]} rust-web-src=$version"
apt-get -qq -o APT::Sandbox::User=root download "${packages[@]}" "rust-web-src=$version" >&2

rm -rf "$home"
library=$home/lib/rustlib/src/rust/library
mkdir -p "$home/bin" "$(dirname "$library")"
dpkg-deb --fsys-tarfile rust-web-src_*.deb |
  tar -x -C "$(dirname "$library")" --strip-components=4 --wildcards './usr/src/rustc-*/library/*'
rm rust-web-src_*.deb
for package in *.deb; do dpkg-deb -x "$package" "$home/debian"; rm "$package"; done
rm -rf "$home/debian/usr/share" "$home/debian/usr/bin/rustdoc"

# The launcher takes its place only when std is there: a build cut short is started anew.
usr=$home/debian/usr
launcher=$home/bin/rustc.new
cat >"$launcher" <<END
#!/bin/sh
export LD_LIBRARY_PATH='$(echo "$usr"/lib/*-linux-gnu)'\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}
exec '$usr/bin/rustc' --sysroot '$home' "\$@"
END
chmod +x "$launcher"
host=$("$launcher" -vV | sed -n 's/^host: //p')
mkdir -p "$home/lib/rustlib/$host/bin"
ln -s "$usr/lib/rustlib/$host/lib" "$home/lib/rustlib/$host/lib"
ln -s "$(echo "$usr"/lib/llvm-*/bin/lld)" "$home/lib/rustlib/$host/bin/rust-lld"

# The profile is the one rust's own library/Cargo.toml uses for releases; dependencies are vendored beside the source.
say "building std with $("$launcher" --version), about a minute"
mkdir -p seed/src
: >seed/src/lib.rs
cat >seed/Cargo.toml <<'END'
[package]
name = "seed"
version = "0.0.0"
edition = "2024"
[profile.release]
codegen-units = 1
panic = "abort"
[workspace]
END
(cd seed && RUSTC_BOOTSTRAP=1 RUSTC=$launcher CARGO_TARGET_DIR=built \
  CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-Cembed-bitcode=yes --remap-path-prefix=$library=/rustc/library" \
  cargo build --quiet --release --target "$target" -Zbuild-std=std,panic_abort --offline \
  --config 'source.crates-io.replace-with="vendor"' --config "source.vendor.directory=\"$library/vendor\"") >&2
mkdir -p "$home/lib/rustlib/$target/lib"
rm -f seed/built/$target/release/deps/libseed-*
cp seed/built/$target/release/deps/*.rlib "$home/lib/rustlib/$target/lib/"
mv "$launcher" "$private"
works "$private" || fail "the std in $home does not work; remove that folder and try again"
finish "$private"
