#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Builds the firmware of a board by Buildroot: build.sh BOARD image|legal-info|sbom
#
# Everything is written below target/image/BOARD: "build" is Buildroot's, "release" is what is given away.
# From the environment:
#   BUILDROOT_DIR      an unpacked Buildroot; without it, the release in buildroot.version is downloaded once
#   BR2_DL_DIR         where Buildroot keeps what it downloads (target/image/dl)
#   PLATEN_SIGN_CERT, PLATEN_SIGN_KEY, PLATEN_KEYRING
#                      the signer's certificate and key (file or PKCS#11 URI), and the authorities that boxes trust;
#                      without them, keys for development are made in target/image/dev-keys
#   TEST_KERNEL=1      a kernel with made-up devices, for tests; written to target/image/BOARD-test
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
external=$root/buildroot
# shellcheck source=/dev/null
. "$external/buildroot.version"

BUNDLE_MIB_MAX=64

boards() { (cd "$external/configs" && ls) | sed -n 's/^platen_\(.*\)_defconfig$/  \1/p'; }
fail() { printf '%s\n' "$@" >&2; exit 1; }

board=${1:-}
step=${2:-image}
defconfig=$external/configs/platen_${board}_defconfig
if [ -z "$board" ] || [ ! -r "$defconfig" ]; then
  fail "Say for which board: make $step BOARD=…, one of" "$(boards)"
fi
# What `make BOARD=…` leaves in the environment is not for Buildroot's packages.
unset BOARD MAKEFLAGS MAKELEVEL MAKEOVERRIDES MFLAGS

base=$root/target/image
out=$base/$board${TEST_KERNEL:+-test}
build=$out/build
release=$out/release
VERSION=$(cat "$external/VERSION")
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct)}
export VERSION SOURCE_DATE_EPOCH BR2_DL_DIR=${BR2_DL_DIR:-$base/dl} PLATEN_OUT=$release
mkdir -p "$build" "$release" "$BR2_DL_DIR"

# Sets $buildroot to an unpacked Buildroot.
find_buildroot() {
  local archive=$base/${BUILDROOT_URL##*/} version
  if [ -n "${BUILDROOT_DIR:-}" ]; then
    buildroot=$(cd "$BUILDROOT_DIR" && pwd)
    version=$(sed -n 's/^export BR2_VERSION := //p' "$buildroot/Makefile")
    [ "$version" = "$BUILDROOT_VERSION" ] \
      || echo "build.sh: $buildroot is Buildroot $version; the release is made with $BUILDROOT_VERSION" >&2
    return
  fi
  buildroot=$base/buildroot-$BUILDROOT_VERSION
  [ ! -e "$buildroot/Makefile" ] || return 0
  if [ ! -s "$archive" ]; then
    curl --fail --location --silent --show-error --output "$archive.part" "$BUILDROOT_URL" \
      || fail "Buildroot $BUILDROOT_VERSION can't be downloaded from $BUILDROOT_URL." \
        "Bring it here by other means, unpack it and say BUILDROOT_DIR=…; its downloads go into BR2_DL_DIR." \
        "Without it, \`make image-test\` builds and starts an image with Debian's kernel and programs."
    mv "$archive.part" "$archive"
  fi
  echo "$BUILDROOT_SHA256  $archive" | sha256sum --check --quiet \
    || fail "$archive is not Buildroot $BUILDROOT_VERSION: its SHA-256 is another. Delete it and try again."
  rm -rf "$buildroot.part"
  mkdir "$buildroot.part"
  tar -xJf "$archive" -C "$buildroot.part" --strip-components=1
  mv "$buildroot.part" "$buildroot"
}

find_keys() {
  if [ -n "${PLATEN_SIGN_CERT:-}${PLATEN_SIGN_KEY:-}" ]; then
    : "${PLATEN_SIGN_CERT:?missing beside PLATEN_SIGN_KEY}" "${PLATEN_SIGN_KEY:?missing beside PLATEN_SIGN_CERT}" \
      "${PLATEN_KEYRING:?missing: the authorities that boxes trust}"
  else
    export KEYS=$base/dev-keys
    "$external/scripts/dev-keys.sh" "$KEYS"
    PLATEN_KEYRING=$KEYS/ca.pem
    echo "build.sh: signed with keys for development: such a box takes no released bundle, and the other way round" >&2
  fi
  export KEYRING=$PLATEN_KEYRING
}

br() { make --no-print-directory -C "$buildroot" O="$build" BR2_EXTERNAL="$external" "$@"; }

configure() {
  local fragments='BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES="'
  cp "$defconfig" "$build/platen_defconfig"
  if [ -n "${TEST_KERNEL:-}" ]; then
    sed -i "s|^$fragments|&\$(BR2_EXTERNAL_PLATEN_PATH)/../board/kernel-test.fragment |" "$build/platen_defconfig"
  fi
  br BR2_DEFCONFIG="$build/platen_defconfig" defconfig > "$out/configure.log" 2>&1 \
    || { tail -20 "$out/configure.log" >&2; exit 1; }
  "$external/scripts/check-kconfig.sh" "$build/.config" "$build/platen_defconfig"
}

make_sbom() {
  local work=$out/sbom-work
  mkdir -p "$work/cyclonedx"
  br -s show-info > "$work/show-info.json"
  # The list of licence names is for readability. Its place for this run only: an empty one must not stay in BR2_DL_DIR.
  curl --fail --location --silent --output "$work/cyclonedx/spdx-1.6.schema.json" \
    https://raw.githubusercontent.com/CycloneDX/specification/1.6/schema/spdx.schema.json \
    || echo '{"enum":[]}' > "$work/cyclonedx/spdx-1.6.schema.json"
  BR2_DL_DIR=$work "$buildroot/utils/generate-cyclonedx" --project-name "platen-$board" --project-version "$VERSION" \
    -i "$work/show-info.json" -o "$work/buildroot.cdx.json"
  # shellcheck source=/dev/null
  (. "$root/board/$board/board.env" && "$external/scripts/sbom.py" --target "$RUST_TARGET" --version "$VERSION" \
    "$work/buildroot.cdx.json") > "$release/platen-$board-$VERSION.cdx.json"
  rm -rf "$work"
}

# The changelog's section of this version, then what was made.
write_notes() {
  local name=platen-$board-$VERSION
  grep -qF "## [$VERSION]" "$root/CHANGELOG.md" || fail "CHANGELOG.md has no section [$VERSION]"
  {
    printf '# Platen %s for %s\n\n' "$VERSION" "$board"
    awk -v head="## [$VERSION]" 'index($0, "## [") == 1 { on = index($0, head) == 1; next } on' "$root/CHANGELOG.md"
    printf '\n## Built from\n\nCommit %s, Buildroot %s.\n' "$(git -C "$root" describe --always --dirty --abbrev=40)" \
      "$(sed -n 's/^export BR2_VERSION := //p' "$buildroot/Makefile")"
    printf '\n## Sizes\n\n| part | bytes |\n|---|---|\n'
    awk -F '\t' '{ printf "| %s | %s |\n", $1, $2 }' "$release/sizes.txt"
  } > "$release/$name.md"
  (cd "$release" && sha256sum "$name".* > SHA256SUMS)
}

# What travels to every box over its site's network has a limit.
check_size() {
  local bytes
  bytes=$(stat -c %s "$release/$VERSION.raucb")
  [ "$bytes" -le $((BUNDLE_MIB_MAX << 20)) ] \
    || fail "the bundle has $bytes bytes, more than $BUNDLE_MIB_MAX MiB: $(tr '\n\t' ' :' < "$release/sizes.txt")"
}

# The names that people see; the disk is mostly empty space.
name_files() {
  local name=platen-$board-$VERSION
  xz --threads=1 --keep --force --stdout "$release/disk.img" > "$release/$name.img.xz"
  mv "$release/$VERSION.raucb" "$release/$name.raucb"
  mv "$release/$VERSION.json" "$release/$name.json"
}

find_buildroot
case $step in
  image)
    find_keys
    configure
    rm -rf "$release"
    mkdir "$release"
    br
    check_size
    name_files
    make_sbom
    br legal-info
    write_notes
    echo "$release:" && ls -l "$release" && echo "licences and sources: $build/legal-info"
    ;;
  legal-info) configure && br legal-info && echo "$build/legal-info" ;;
  sbom) configure && make_sbom && ls -l "$release/platen-$board-$VERSION.cdx.json" ;;
  *) fail "build.sh: no step \"$step\"; there are image, legal-info and sbom" ;;
esac
