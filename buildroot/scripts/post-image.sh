#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Buildroot's last step: hands what was built to image.sh. Called with the folder of the images and the board's name.
#
# PLATEN_OUT is where disk and bundle go; without it, into "platen" beside Buildroot's images. Keys: see image.sh.
set -euo pipefail

images=${1:?usage: post-image.sh IMAGES BOARD}
board=${2:?usage: post-image.sh IMAGES BOARD}
external=$(cd "$(dirname "$0")/.." && pwd)
folder=$external/../board/$board
# shellcheck source=/dev/null
. "$folder/board.env"

VERSION=$(cat "$external/VERSION")
export VERSION SQUASHFS=$images/rootfs.squashfs KERNEL=$images/$KERNEL_FILE

case $BOOTLOADER in
  grub)
    GRUB_FOLDER=$(echo "${BUILD_DIR:?}"/grub2-*/build-"$GRUB_TARGET"/grub-core)
    [ -d "$GRUB_FOLDER" ] || { echo "post-image.sh: no GRUB modules at $GRUB_FOLDER" >&2; exit 1; }
    export GRUB_FOLDER
    ;;
  tryboot)
    # The kernel's device trees and the maker's overlays lie in two places.
    export FIRMWARE_FOLDER=$images/rpi-firmware DTB_FOLDER=$images/device-trees
    rm -rf "$DTB_FOLDER"
    mkdir "$DTB_FOLDER"
    for dtb in $DTBS; do cp "$images/$dtb" "$DTB_FOLDER/"; done
    cp -R "$FIRMWARE_FOLDER/overlays" "$DTB_FOLDER/"
    ;;
esac

mkdir -p "${PLATEN_OUT:=$images/platen}"
exec "$external/scripts/image.sh" "$folder" "$PLATEN_OUT"
