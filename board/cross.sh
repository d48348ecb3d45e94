#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Runs cargo for another CPU: board/cross.sh TARGET CARGO-ARGUMENTS…
#
# The standard library for TARGET comes from the installed toolchain where that has it (after
# `rustup target add TARGET`). Where it has not, Debian's own rustc and its libraries for both CPUs
# are unpacked into .cache/cross, without being installed and without changing apt's settings. That
# compiler is newer than the one in Cargo.toml; what is tested natively is tested with that one.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:?usage: board/cross.sh TARGET CARGO-ARGUMENTS…}
shift
case $target in
  aarch64-unknown-linux-gnu) debian=arm64 linker=aarch64-linux-gnu-gcc ;;
  *) echo "cross.sh: no recipe for $target; known: aarch64-unknown-linux-gnu" >&2; exit 2 ;;
esac
command -v "$linker" >/dev/null || { echo "cross.sh: $linker is missing: make deps" >&2; exit 1; }

cache=$PWD/.cache/cross
root=$cache/root

apt_options=(-o APT::Architectures::=amd64 -o "APT::Architectures::=$debian"
  -o "Dir::State::lists=$cache/lists" -o "Dir::Cache=$cache/apt" -o Acquire::Languages=none
  -o APT::Sandbox::User=root)

# Debian's compiler for this machine, and its standard library for both CPUs.
unpack_toolchain() {
  rm -rf "$root" "$cache/debs"
  mkdir -p "$cache"/{lists/partial,apt/archives/partial,debs,root}
  apt-get "${apt_options[@]}" update -qq
  local llvm std
  std=$(depends libstd-rust-web-dev 'libstd-rust-web-[0-9.]*')
  llvm=$(depends "$std" 'libllvm[0-9]*')
  (cd "$cache/debs" && apt-get "${apt_options[@]}" download -qq rustc-web "$llvm:amd64" \
    "libstd-rust-web-dev:amd64" "$std:amd64" "libstd-rust-web-dev:$debian" "$std:$debian")
  for package in "$cache"/debs/*.deb; do dpkg-deb -x "$package" "$root"; done
  rm -rf "$cache/debs" "$cache/lists" "$cache/apt"
  touch "$cache/$target.done"
}

# depends PACKAGE PATTERN: the newest version's dependency of that name.
depends() {
  apt-cache "${apt_options[@]}" --no-all-versions show "$1:amd64" \
    | sed -n 's/^Depends: //p' | grep -o "\b$2" | head -1
}

if [ ! -d "$(rustc --print target-libdir --target "$target" 2>/dev/null)" ]; then
  if [ ! -e "$cache/$target.done" ]; then
    command -v apt-get >/dev/null \
      || { echo "cross.sh: rustup target add $target, then try again" >&2; exit 1; }
    echo "unpacking a Rust toolchain for $target (150 MB, once)"
    unpack_toolchain
  fi
  export RUSTC=$root/usr/bin/rustc
  export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/usr/lib
fi

name=${target//-/_}
export "CARGO_TARGET_${name^^}_LINKER=$linker" "CC_$name=$linker"
# Not the usual folder: another compiler would throw away what the usual one has built.
exec "${CARGO:-cargo}" "$@" --target "$target" --target-dir target/cross
