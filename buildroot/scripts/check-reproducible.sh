#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Says what differs between two releases of the same commit: check-reproducible.sh RELEASE_A RELEASE_B
#
# A bundle is never the same twice: its signature has a time and a random number in it, and its own tree of hashes a
# random salt. Its content has to be the same, and is compared. Ends with 1 if anything else differs.
set -euo pipefail

a=${1:?usage: check-reproducible.sh RELEASE_A RELEASE_B}
b=${2:?usage: check-reproducible.sh RELEASE_A RELEASE_B}
for folder in "$a" "$b"; do [ -d "$folder" ] || { echo "$folder is no folder" >&2; exit 2; }; done
differing=0
compared=0

report() { echo "differs: $*"; differing=$((differing + 1)); }

# Bytes of the squashfs at the head of a file: the superblock's bytes_used.
squashfs_bytes() { od -An -t u8 -j 40 -N 8 "$1" | tr -d ' '; }

same_bundle() {
  local bytes
  bytes=$(squashfs_bytes "$1")
  [ "$bytes" = "$(squashfs_bytes "$2")" ] && cmp -s -n "$bytes" "$1" "$2"
}

# What a file says without the bundle's own size and sum, which change with its signature.
comparable() {
  case $1 in
    *.cdx.json) cat "$1" ;;
    *.json) sed 's/"size":[0-9]*,"sha256":"[0-9a-f]*",//' "$1" ;;
    *.txt | *.md) sed '/^bundle\t/d; /^| bundle |/d' "$1" ;;
    *) cat "$1" ;;
  esac
}

# The first files that are not the same, where the tools to look inside are there.
look_inside() {
  case $1 in
    root.img | *.squashfs)
      command -v unsquashfs > /dev/null || return 0
      diff <(unsquashfs -lln "$a/$1" 2> /dev/null) <(unsquashfs -lln "$b/$1" 2> /dev/null) | sed 's/^/    /' | head -40
      ;;
    *.json | *.txt | *.md) diff "$a/$1" "$b/$1" | sed 's/^/    /' | head -40 ;;
    *) cmp "$a/$1" "$b/$1" | sed 's/^/    /' ;;
  esac || true
}

names() { (cd "$1" && find . -maxdepth 1 -type f | sed 's|^\./||' | LC_ALL=C sort); }

while read -r name; do
  compared=$((compared + 1))
  if [ ! -e "$a/$name" ] || [ ! -e "$b/$name" ]; then
    report "$name is in one of the two only"
    continue
  fi
  case $name in
    SHA256SUMS) continue ;;
    *.raucb)
      if same_bundle "$a/$name" "$b/$name"; then echo "same content, signed twice: $name"; else report "$name"; fi
      continue
      ;;
  esac
  if cmp -s <(comparable "$a/$name") <(comparable "$b/$name"); then
    echo "same: $name"
  else
    report "$name"
    look_inside "$name"
  fi
done < <({ names "$a"; names "$b"; } | LC_ALL=C sort -u)

[ "$compared" -gt 0 ] || { echo "$a and $b are empty" >&2; exit 2; }
[ "$differing" -eq 0 ] || { echo "$differing differ" >&2; exit 1; }
echo "nothing differs"
