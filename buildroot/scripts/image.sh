#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# image.sh BOARD_FOLDER OUT: makes, from a root file system and a kernel, everything that is flashed or sent to boxes:
#
#   OUT/disk.img             the disk, slot A filled, slot B empty
#   OUT/VERSION.raucb        the bundle for boxes that run, signed; VERSION.json says what it is to the central server
#   OUT/sizes.txt            bytes by part
#   OUT/boot.vfat, root.img  what the bundle holds
#
# From the environment: SQUASHFS and KERNEL (files); VERSION; KEYS (folder with ca.pem, sign.pem, sign.key; dev-keys.sh
# makes one) or PLATEN_SIGN_CERT and PLATEN_SIGN_KEY (file or PKCS#11 URI); INITRD, DTB_FOLDER, FIRMWARE_FOLDER (files of a
# Pi's first stage), GRUB_FOLDER (GRUB's modules) as the board needs them. SOURCE_DATE_EPOCH makes the times in the images.
set -euo pipefail

board=$(cd "${1:?usage: image.sh BOARD_FOLDER OUT}" && pwd)
out=${2:?usage: image.sh BOARD_FOLDER OUT}
here=$(cd "$(dirname "$0")/.." && pwd)
PATH=$PATH:/usr/sbin:/sbin
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0} MTOOLS_SKIP_CHECK=1 TZ=UTC
# shellcheck source=/dev/null
. "$board/board.env"
: "${SQUASHFS:?}" "${KERNEL:?}" "${VERSION:?}"

work=$out/work
rm -rf "$work"
mkdir -p "$work/parts" "$work/bundle"
out=$(cd "$out" && pwd)
work=$out/work
slot_words=$work/slot-words

# fill FILE: the file with its @WORDS@ replaced, from the board and from what was measured here.
fill() {
  local text name
  text=$(cat "$1")
  for name in DISK_UUID DISK_SIGNATURE PART_FIRMWARE_UUID PART_BOOT_A_UUID PART_BOOT_B_UUID PART_ROOT_A_UUID \
    PART_ROOT_B_UUID PART_DATA_UUID FIRMWARE_MIB BOOT_MIB ROOT_MIB DATA_MIB KERNEL_WORDS COMPATIBLE VERSION; do
    text=${text//@$name@/${!name-}}
  done
  while IFS='=' read -r name value; do text=${text//@$name@/$value}; done < "$slot_words"
  printf '%s\n' "$text"
}

# The squashfs with its tree of hashes behind it. The salt is no secret: it comes from the content, so that the same
# content gives the same bytes.
make_root() {
  local size blocks salt hash
  cp "$SQUASHFS" "$work/root.img"
  truncate -s %4096 "$work/root.img"
  size=$(stat -c %s "$work/root.img")
  blocks=$((size / 4096))
  salt=$(sha256sum "$work/root.img" | cut -d' ' -f1)
  hash=$(veritysetup format --no-superblock --data-block-size=4096 --hash-block-size=4096 --data-blocks="$blocks" \
    --hash-offset="$size" --salt="$salt" "$work/root.img" "$work/root.img" | sed -n 's/^Root hash:[[:space:]]*//p')
  [ "${#hash}" -eq 64 ] || { echo "image.sh: veritysetup gave no root hash" >&2; exit 1; }
  fits "$work/root.img" "$ROOT_MIB"
  printf '%s\n' "SECTORS=$((size / 512))" "BLOCKS=$blocks" "HASH_START=$blocks" "ROOT_HASH=$hash" "SALT=$salt" \
    > "$slot_words"
}

# fits FILE MIB
fits() {
  [ "$(stat -c %s "$1")" -le $(($2 << 20)) ] \
    || { echo "image.sh: $(basename "$1") is $(($(stat -c %s "$1") >> 10)) KiB, its partition has $2 MiB" >&2; exit 1; }
}

# fat FILE MIB LABEL ID FOLDER: a FAT file system with what the folder holds, the same bytes for the same files.
fat() {
  truncate -s 0 "$1"
  truncate -s "$2M" "$1"
  mkfs.vfat -F 32 -s 1 --invariant -i "$4" -n "$3" "$1" > /dev/null
  find "$5" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  (cd "$5" && find . -mindepth 1 | LC_ALL=C sort) | while read -r path; do
    if [ -d "$5/$path" ]; then mmd -i "$1" "::${path#./}"; else mcopy -m -i "$1" "$5/$path" "::${path#./}"; fi
  done
}

# What a slot starts from. A slot learns at its installation which one it is; a Pi's kernel words are written then.
make_boot() {
  local folder=$work/boot dtb
  mkdir "$folder"
  cp "$KERNEL" "$folder/vmlinuz"
  if [ -n "${INITRD:-}" ]; then cp "$INITRD" "$folder/initrd.img"; fi
  for dtb in $DTBS; do cp "${DTB_FOLDER:?}/$dtb" "$folder/"; done
  if [ -d "${DTB_FOLDER:-}/overlays" ]; then cp -R "$DTB_FOLDER/overlays" "$folder/"; fi
  case $BOOTLOADER in
    grub) fill "$board/slot.cfg.in" > "$folder/slot.cfg" ;;
    tryboot)
      mv "$folder/vmlinuz" "$folder/$KERNEL_FILE"
      cp "$board/config.txt" "$folder/"
      fill "$board/cmdline.txt.in" > "$folder/cmdline.txt.in"
      # A Pi 4 and later reads its first stage from its own memory, earlier ones from here.
      cp "${FIRMWARE_FOLDER:?}"/{start*.elf,fixup*.dat} "$folder/"
      ;;
  esac
  printf '%s\n' "$VERSION" > "$folder/version"
  fat "$work/boot.vfat" "$BOOT_MIB" BOOT 504c4154 "$folder"
  fits "$work/boot.vfat" "$BOOT_MIB"
}

# The first partition, never updated: what chooses the slot.
make_firmware() {
  local folder=$work/firmware
  mkdir -p "$folder/platen"
  case $BOOTLOADER in
    grub)
      local modules=${GRUB_FOLDER:-/usr/lib/grub/$GRUB_TARGET}
      mkdir -p "$folder/$(dirname "$GRUB_FILE")" "$folder$GRUB_PREFIX"
      # shellcheck disable=SC2086 # a list
      grub-mkimage -d "$modules" -O "$GRUB_TARGET" -p "$GRUB_PREFIX" -o "$folder/$GRUB_FILE" $GRUB_MODULES
      cp "$board/grub.cfg" "$folder$GRUB_PREFIX/"
      grub-editenv "$folder$GRUB_PREFIX/grubenv" create
      grub-editenv "$folder$GRUB_PREFIX/grubenv" set ORDER="A B" A_OK=1 A_TRY=0 B_OK=0 B_TRY=0
      ;;
    tryboot)
      cp "$board/autoboot.txt" "$folder/"
      if [ -e "${FIRMWARE_FOLDER:?}/bootcode.bin" ]; then cp "$FIRMWARE_FOLDER/bootcode.bin" "$folder/"; fi
      ;;
  esac
  fat "$work/firmware.vfat" "$FIRMWARE_MIB" PLATEN 504c4155 "$folder"
}

# Slot A as an installation would leave it; B has a file system and nothing in it.
make_disk() {
  mkdir "$work/none"
  fat "$work/boot-b.vfat" "$BOOT_MIB" BOOT 504c4156 "$work/none"
  cp "$work/boot.vfat" "$work/boot-a.vfat"
  if [ "$BOOTLOADER" = tryboot ]; then
    # The word keeps the room for the machine id, which the box writes over it in its place.
    fill "$board/cmdline.txt.in" | sed "s/@ROOTPART@/$PART_ROOT_A_UUID/g; s/@SLOT@/A/g
      s/@MACHINE_ID@/platen.no_machine_=00000000000000000000000000000000/g" > "$work/cmdline.txt"
    touch -d "@$SOURCE_DATE_EPOCH" "$work/cmdline.txt"
    mcopy -m -i "$work/boot-a.vfat" "$work/cmdline.txt" ::cmdline.txt
  fi
  fill "$here/genimage/$TABLE.cfg.in" > "$work/genimage.cfg"
  genimage --config "$work/genimage.cfg" --inputpath "$work" --outputpath "$work/disk" --rootpath "$work/none" \
    --tmppath "$work/tmp" > "$work/genimage.log" 2>&1 || { cat "$work/genimage.log" >&2; exit 1; }
  mv "$work/disk/disk.img" "$out/disk.img"
}

make_bundle() {
  local bundle=$work/bundle hook=""
  mv "$work/root.img" "$work/boot.vfat" "$bundle/"
  if [ "$BOOTLOADER" = tryboot ]; then
    install -m 755 "$here/rootfs-overlay/usr/lib/platen/slot-hook" "$bundle/slot-hook"
    hook=yes
  fi
  {
    printf '[update]\ncompatible=%s\nversion=%s\n' "$COMPATIBLE" "$VERSION"
    printf 'build=%s\n' "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)"
    printf '\n[bundle]\nformat=verity\n'
    if [ -n "$hook" ]; then printf '\n[hooks]\nfilename=slot-hook\n'; fi
    printf '\n[image.rootfs]\nfilename=root.img\n'
    printf '\n[image.boot]\nfilename=boot.vfat\n'
    if [ -n "$hook" ]; then printf 'hooks=post-install;\n'; fi
  } > "$bundle/manifest.raucm"
  rm -f "$out/$VERSION.raucb"
  rauc bundle --cert="${PLATEN_SIGN_CERT:-${KEYS:?}/sign.pem}" --key="${PLATEN_SIGN_KEY:-$KEYS/sign.key}" \
    "$bundle" "$out/$VERSION.raucb" > "$work/rauc.log" 2>&1 || { cat "$work/rauc.log" >&2; exit 1; }
  mv "$bundle/root.img" "$bundle/boot.vfat" "$out/"
  printf '{"version":"%s","compatible":"%s","size":%s,"sha256":"%s","build_unix_s":%s}\n' "$VERSION" "$COMPATIBLE" \
    "$(stat -c %s "$out/$VERSION.raucb")" "$(sha256sum "$out/$VERSION.raucb" | cut -d' ' -f1)" "$SOURCE_DATE_EPOCH" \
    > "$out/$VERSION.json"
}

tell_sizes() {
  {
    printf '%s\t%s\n' kernel "$(stat -c %s "$KERNEL")" root "$(stat -c %s "$SQUASHFS")" \
      "root with hashes" "$(stat -c %s "$out/root.img")" bundle "$(stat -c %s "$out/$VERSION.raucb")"
    if [ -n "${INITRD:-}" ]; then printf 'initramfs\t%s\n' "$(stat -c %s "$INITRD")"; fi
    printf '%s\t%s\n' disk "$(stat -c %s "$out/disk.img")"
  } > "$out/sizes.txt"
}

make_root
make_boot
make_firmware
make_disk
make_bundle
tell_sizes
rm -rf "$work"
