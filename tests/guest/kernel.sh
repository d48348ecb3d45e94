#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Makes .cache/qemu/ARCH (amd64, arm64): what a guest of the test bed boots from, out of Debian's packages.
#   vmlinuz, busybox, modules/*.ko in the order of modules/load, version; for amd64 also disk/*.ko with
#   disk/load (what a guest needs to read its disk) and tree/ (modules that a root file system brings).
# The packages are unpacked and never installed; apt keeps lists of its own below .cache, so that neither
# root nor a foreign architecture in the system's own lists is needed. Done once; remove the folder for another go.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin # depmod, for those who are not root

arch=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
place=$root/.cache/qemu/$arch
recipe=$(cksum < "$0")
[ "$(cat "$place/recipe" 2>/dev/null || true)" = "$recipe" ] && exit 0

echo "preparing the $arch guest's kernel" >&2
rm -rf "$place"
mkdir -p "$place/modules" "$place/apt/lists/partial" "$place/apt/cache/archives/partial" "$place/deb"
apt=(-qq -o APT::Architecture="$arch" -o APT::Architectures::="$arch" -o Dir::State::lists="$place/apt/lists"
  -o Dir::Cache="$place/apt/cache" -o Dir::State::status=/dev/null -o Acquire::Languages=none
  -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false -o APT::Sandbox::User=)
(cd "$place/deb" && apt-get "${apt[@]}" update)

# The meta package names the newest kernel of this release.
image=$(apt-cache "${apt[@]}" depends "linux-image-$arch" | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
version=${image#linux-image-}
source_version=$(apt-cache "${apt[@]}" show --no-all-versions "$image" | awk '$1 == "Version:" { print $2; exit }')
fetch() { (cd "$place/deb" && apt-get "${apt[@]}" download "$@"); }
unpack() { for package in "$place"/deb/$1_*.deb; do dpkg-deb -x "$package" "$place/root"; done; }

# Debian's kernel has no simulated GPIO lines: built from Debian's own source for this very kernel.
# irq_sim is made to use an exported function and to name its licence, as a module must.
simulated_lines() {
  series=${version%%-*}; series=${series%.*}
  fetch "linux-headers-$version=$source_version" "linux-headers-${version%-"$arch"}-common=$source_version" \
    "linux-kbuild-$series=$source_version" "linux-source-$series=$source_version"
  unpack "linux-headers-$version"; unpack "linux-headers-${version%-"$arch"}-common"; unpack "linux-kbuild-$series"
  tree=linux-source-$series
  dpkg-deb --fsys-tarfile "$place"/deb/"$tree"_*.deb | tar xO "./usr/src/$tree.tar.xz" | tar xJ -C "$place/root" \
    "$tree/drivers/gpio/gpio-sim.c" "$tree/drivers/gpio/gpiolib.h" "$tree/kernel/irq/irq_sim.c"
  lines=$place/root/lines; mkdir "$lines"
  cp "$place/root/$tree"/drivers/gpio/* "$lines"
  sed 's/handle_simple_irq(irq_to_desc(irqnum))/generic_handle_irq(irqnum)/' \
    "$place/root/$tree/kernel/irq/irq_sim.c" > "$lines/irq-sim.c"
  printf '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n' >> "$lines/irq-sim.c"
  echo 'obj-m := irq-sim.o gpio-sim.o' > "$lines/Kbuild"
  headers=$place/root/usr/src/linux-headers-$version
  sed -i "s|/usr/src/|$place/root/usr/src/|" "$headers/Makefile"
  # Debian names the compiler that the kernel was built with; any other near it will do.
  env -u MAKEFLAGS make -s -C "$headers" M="$lines" CC="$(command -v gcc-12 || command -v cc)" modules 2>&1 \
    | { grep -v '^Skipping BTF' >&2 || true; } # only programs for BPF need it
  mkdir -p "$place/root/lib/modules/$version/extra"
  cp "$lines"/*.ko "$place/root/lib/modules/$version/extra/"
}

fetch "$image" busybox-static
unpack "$image"; unpack busybox-static
parts="configfs cuse dummy_hcd libcomposite usb_f_fs usblp usbhid hid-generic evdev xhci-pci
  virtio_pci virtio_net virtio_console"
# With what the boards' kernels have built in: ciphers by the processor's own instructions, TPMs, file systems, the filter.
disk="virtio_pci virtio_blk sha256-ssse3 aesni-intel tpm_tis tpm_crb dm-verity squashfs
  ext4 vfat nls_cp437 nls_ascii nls_iso8859-1 dm-crypt xts autofs4 af_packet
  nf_tables nft_ct nft_limit nft_reject_inet nft_log"
brought="ext4 vfat nls_cp437 nls_ascii nls_iso8859-1 loop dm-crypt dm-verity xts adiantum autofs4 af_packet
  nf_tables nft_ct nft_limit nft_reject_inet nft_counter nft_log usblp evdev usbhid hid-generic
  nft_objref nft_reject nft_hash nf_conntrack sd_mod usb-storage uas i6300esb virtio_net fuse"
strip="strip"
if [ "$arch" = amd64 ]; then
  simulated_lines
  parts="$parts irq-sim gpio-sim i6300esb"
elif [ "$(dpkg --print-architecture)" != "$arch" ]; then
  strip=aarch64-linux-gnu-strip
fi
depmod -b "$place/root" "$version"
# The files of modules and of what they need, each after what it needs. A kernel has some built in.
# shellcheck disable=SC2086 # lists of modules are meant to be split
files_of() {
  for module in "$@"; do
    modprobe -d "$place/root" -S "$version" --show-depends "$module" 2>/dev/null || true
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}
collect() { # into a folder
  mkdir -p "$1"
  while read -r file; do
    "$strip" --strip-debug -o "$1/$(basename "$file")" "$file"
    basename "$file" >> "$1/load"
  done
}
files_of $parts | collect "$place/modules"
if [ "$arch" = amd64 ]; then
  files_of $disk | collect "$place/disk"
  tree=$place/tree/usr/lib/modules/$version
  files_of $brought | while read -r file; do
    place_of=$tree/${file#"$place/root/lib/modules/$version/"}
    mkdir -p "$(dirname "$place_of")"
    "$strip" --strip-debug -o "$place_of" "$file"
  done
  cp "$place/root/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$tree"
  mkdir -p "$place/tree/lib"; ln -sfn ../usr/lib/modules "$place/tree/lib/modules"
  depmod -b "$place/tree" "$version"
  rm "$place/tree/lib/modules"; rmdir "$place/tree/lib"
fi
cp "$place/root/boot/vmlinuz-$version" "$place/vmlinuz"
cp "$place/root/bin/busybox" "$place/busybox"
echo "$version" > "$place/version"
rm -rf "$place/root" "$place/deb" "$place/apt"
echo "$recipe" > "$place/recipe"
