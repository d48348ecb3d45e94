#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# make.sh [VERSION]: the box's image as a guest of the test bed can start it, in target/image-test/VERSION.
#
# Kernel, systemd, RAUC and the libraries are Debian's, unpacked and never installed; everything else is what Buildroot's
# image has: the overlay with its units and scripts, post-build.sh, users, board files, partitions, RAUC's configuration,
# the slots' boot files, the signed bundle, by the same scripts. The programs are the dev build's, stripped.
# Needs tests/guest/kernel.sh amd64 and `cargo build --workspace --bins` before it.
#
# OUT/disk.img etc. are those of buildroot/scripts/image.sh; OUT/initrd.img is the test bed's, see tests/guest/src/initrd.rs.
# From the environment: TREE_EDIT, a program that is given the tree before it is packed (a test's broken image);
# BUNDLE_ONLY=1: nothing but the bundle stays, packed quickly: a release to update to.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
umask 022
if [ -n "${BUNDLE_ONLY:-}" ]; then ZSTD_LEVEL=1; fi

root=$(cd "$(dirname "$0")/../.." && pwd)
version=${1:-$(cat "$root/buildroot/VERSION")}
out=${2:-$root/target/image-test/$version}
board=$root/board/qemu_x86_64
kernel=$root/.cache/qemu/amd64
base=$root/.cache/image/amd64
programs=${PROGRAMS:-$root/target/debug}

# What the image has from Debian. The tools of a shell are BusyBox's.
packages="systemd udev systemd-timesyncd dbus dbus-daemon dbus-system-bus-common rauc rauc-service cryptsetup-bin dmsetup
  e2fsprogs fdisk mount util-linux grub-common nftables dropbear-bin libtss2-esys-3.0.2-0 libtss2-rc0 libtss2-mu0
  libtss2-tcti-device0 busybox-static kmod libgcc-s1"
# What these ask for and the image has no use for.
unwanted="adduser bash ca-certificates coreutils dbus-bin dbus-session-bus-common debconf debianutils diffutils dpkg
  findutils gcc-12-base gettext-base grep gzip init-system-helpers install-info libc-bin libfreetype6 libfuse2 libpng16-16
  libpam-modules libpam-modules-bin libpam-runtime libperl5.36 lsb-base mawk media-types netbase openssl passwd perl
  perl-base perl-modules-5.36 readline-common sed sensible-utils sysvinit-utils tar tzdata ucf libpam-systemd libdebconfclient0 libtextwrap1
  libbrotli-dev login libdb5.3 libsasl2-modules-db cdebconf tpm-udev libtss2-tcti-cmd0 libtss2-tcti-mssim0
  libtss2-tcti-swtpm0 libldap-2.5-0-bin libattr1-dev"

# .cache/image/amd64: Debian's part of the tree, made once.
make_base() {
  local recipe place=$base file name
  recipe=$(cksum < "$0")
  [ "$(cat "$place/recipe" 2>/dev/null || true)" = "$recipe" ] && return
  echo "preparing Debian's part of the image" >&2
  rm -rf "$place"
  mkdir -p "$place"/{lists/partial,cache/archives/partial,tree}
  local apt=(-qq -y -o "Dir::State::lists=$place/lists" -o "Dir::Cache=$place/cache" -o Dir::State::status=/dev/null
    -o Acquire::Languages=none -o APT::Sandbox::User= -o APT::Install-Recommends=false -o Debug::NoLocking=1
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  apt-get "${apt[@]}" update
  local unwanted_line=" ${unwanted//$'\n'/ } "
  # shellcheck disable=SC2086 # a list
  apt-get "${apt[@]}" install --download-only $packages > /dev/null
  for file in "$place"/cache/archives/*.deb; do
    name=$(basename "$file"); name=${name%%_*}
    case $unwanted_line in *" $name "*) ;; *) dpkg-deb -x "$file" "$place/tree" ;; esac
  done
  prune "$place/tree"
  rm -rf "$place"/{lists,cache}
  echo "$recipe" > "$place/recipe"
}

# As Buildroot lays a tree out: /usr merged, nothing that a package starts by itself.
prune() {
  local tree=$1 folder
  for folder in bin sbin lib lib64; do
    if [ ! -d "$tree/$folder" ] || [ -L "$tree/$folder" ]; then continue; fi
    mkdir -p "$tree/usr/$folder"
    cp -a "$tree/$folder/." "$tree/usr/$folder/"
    rm -rf "${tree:?}/$folder"
    ln -s "usr/$folder" "$tree/$folder"
  done
  rm -rf "$tree"/usr/share/{perl,zoneinfo,gcc,gdb,grub,pkgconfig,factory,apport} "$tree"/usr/lib/udev/hwdb.d \
    "$tree"/usr/lib/x86_64-linux-gnu/{gconv,perl,perl5,pkgconfig} "$tree"/usr/lib/{grub,apt,dpkg,usrmerge,pam.d,sasl2} \
    "$tree"/etc/{systemd,pam.d,grub.d,bash_completion.d,security}
  find "$tree/usr/bin" "$tree/usr/sbin" -name 'grub-*' ! -name grub-editenv -delete
}

make_tree() {
  local tree=$1 program
  rm -rf "$tree"
  mkdir -p "$tree"
  cp -a "$base/tree/." "$tree/"
  cp -a "$kernel/tree/." "$tree/"
  rm -rf "$tree/root" # the overlay has a link in it
  cp -a "$root/buildroot/rootfs-overlay/." "$tree/"
  for program in platend platenctl; do
    strip --strip-debug -o "$tree/usr/bin/$program" "$programs/$program"
  done
  ln -sf ../lib/systemd/systemd "$tree/usr/sbin/init"
  ldconfig -r "$tree"
  VERSION=$version KEYS=$keys "$root/buildroot/scripts/post-build.sh" "$tree" "$board"
  if [ -n "${TREE_EDIT:-}" ]; then "$TREE_EDIT" "$tree"; fi
  find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 0)}
keys=$root/target/image-test/keys
mkdir -p "$root/target/image-test"
"$root/buildroot/scripts/dev-keys.sh" "$keys"
make_base
mkdir -p "$out"
make_tree "$out/tree"
rm -f "$out/root.squashfs"
mksquashfs "$out/tree" "$out/root.squashfs" -all-root -comp zstd -Xcompression-level "${ZSTD_LEVEL:-9}" -b 131072 \
  -noappend -quiet -no-progress -no-xattrs -reproducible > /dev/null
rm -rf "$out/tree"
"$programs/platen-initrd" "$out/initrd.img"
SQUASHFS=$out/root.squashfs KERNEL=$kernel/vmlinuz INITRD=$out/initrd.img VERSION=$version KEYS=$keys \
  "$root/buildroot/scripts/image.sh" "$board" "$out"
if [ -n "${BUNDLE_ONLY:-}" ]; then rm -f "$out"/{disk.img,root.squashfs,initrd.img,root.img,boot.vfat}; fi
