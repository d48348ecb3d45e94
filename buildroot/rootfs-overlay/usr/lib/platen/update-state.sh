# SPDX-License-Identifier: Apache-2.0 OR MIT
# shellcheck shell=sh
# update-state.sh: the files by which root and the daemon tell each other of updates. Sourced by install, health and
# usb-update; described in docs/formats/update-state.md.
#
# /data/update belongs to the daemon's user. Root therefore never opens a name in it for writing and never trusts what a
# name there leads to: files are made in /data/rauc, which is root's, and moved over; files are moved out before they are
# looked at. A cut leaves the old file or the new one, and at worst a staging file, which the next writer overwrites.

ROOT=${PLATEN_ROOT:-}
UPDATE=$ROOT/data/update
OWN=$ROOT/data/rauc
STATE=$UPDATE/state.json
# shellcheck disable=SC2034 # for those who source this file
TRIAL=$UPDATE/trial.json
ITEMS_MAX=32
ORDER_BYTES_MAX=4096

# put FILE: standard input becomes FILE, whole or not at all, readable to all.
put() {
  dd of="$OWN/staging" conv=fsync 2> /dev/null
  chmod 644 "$OWN/staging"
  mv -fT "$OWN/staging" "$1"
}

# plain FILE: it is a file itself, no link, no pipe, and not longer than an order may be.
plain() {
  [ -f "$1" ] && [ ! -L "$1" ] && [ "$(wc -c < "$1")" -le "$ORDER_BYTES_MAX" ]
}

# text: standard input as it may stand between the quotes of JSON, one line, 400 characters at most.
text() {
  tr '\n\t"\134' "  '/" | tr -cd ' -~' | sed 's/  */ /g; s/ *$//' | cut -c 1-400
}

# word FILE KEY: the text behind a key, as far as it is made of harmless characters.
word() {
  plain "$1" || return 0
  tr -d '\n' < "$1" | sed -n "s/.*\"$2\" *: *\"\([A-Za-z0-9._+ -]*\)\".*/\1/p" | cut -c 1-64
}

# items FILE: the names in the list "expect", one a line. Fails if it is no such list.
items() {
  list=$(tr -d '\n' < "$1" | sed -n 's/.*"expect" *: *\[\([^]]*\)\].*/\1/p')
  item='"[A-Za-z0-9 ._:/_-]{1,80}"'
  printf '%s\n' "$list" | grep -Eqx " *($item( *, *$item)*)? *" || return 1
  [ "$(printf '%s\n' "$list" | tr ',' '\n' | wc -l)" -le "$ITEMS_MAX" ] || return 1
  printf '%s\n' "$list" | tr ',' '\n' | sed -n 's/^ *"\(.*\)" *$/\1/p'
}

# tell PHASE PERCENT [REASON]: writes state.json, with $version, $from, $slot and $source, and the journal.
# shellcheck disable=SC2154 # those four are set by whoever sources this file
tell() {
  reason=$(printf '%s' "${3:-}" | text)
  printf '{"phase":"%s","percent":%d,"version":"%s","from":"%s","slot":"%s","source":"%s","reason":"%s","at_unix_ms":%s000}\n' \
    "$1" "$2" "$version" "$from" "$slot" "$source" "$reason" "$(date +%s)" | put "$STATE"
  echo "update: $1 ${version:+of version $version }$2 %${reason:+: $reason}"
}

# release KEY: what /etc/platen-release says of the running system.
release() {
  sed -n "s/^$1=//p" "$ROOT/etc/platen-release"
}

# running_slot: A or B, by the kernel's command line.
running_slot() {
  tr ' ' '\n' < "$ROOT/proc/cmdline" | sed -n 's/^platen\.slot=\([AB]\)$/\1/p' | tail -n 1
}

other_slot() {
  case $(running_slot) in A) echo B ;; B) echo A ;; esac
}

# older A B: whether version A comes before version B: three numbers, then "-" and words, which come before none.
older() {
  awk -v a="$1" -v b="$2" '
    function part(v, n,   all) { sub(/[-+].*/, "", v); split(v, all, "."); return all[n] + 0 }
    function words(v) { sub(/\+.*/, "", v); return v ~ /-/ ? substr(v, index(v, "-") + 1) : "" }
    # The parts of two pre-releases in turn: numbers by size and before words, fewer before more.
    function before(x, y,   p, q, m, n, i) {
      m = split(x, p, "."); n = split(y, q, ".")
      for (i = 1; i <= m && i <= n; i++) {
        if (p[i] "" == q[i] "") continue
        if (p[i] ~ /^[0-9]+$/ && q[i] ~ /^[0-9]+$/) return p[i] + 0 < q[i] + 0
        if (p[i] ~ /^[0-9]+$/) return 1
        if (q[i] ~ /^[0-9]+$/) return 0
        return p[i] "" < q[i] ""
      }
      return m < n
    }
    BEGIN {
      for (n = 1; n <= 3; n++) if (part(a, n) != part(b, n)) exit !(part(a, n) < part(b, n))
      x = words(a); y = words(b)
      if (x == y) exit 1
      if (x == "") exit 1
      if (y == "") exit 0
      exit !before(x, y)
    }'
}

# is_version TEXT: as `older` understands it.
is_version() {
  printf '%s\n' "$1" | grep -Eqx '[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}(-[0-9A-Za-z.-]{1,32})?(\+[0-9A-Za-z.-]{1,32})?'
}

# why_not FILE: RAUC's complaint about a bundle, its last line, in words for a person.
why_not() {
  complaint=$(tail -n 1 "$1")
  case $complaint in
    *"not yet valid"* | *"has expired"*)
      echo "Its signature is not valid at the time that this box's clock shows, $(date -u '+%Y-%m-%d'). Set the clock right." ;;
    *"signature verification failed"*)
      echo "It is not signed by a key that this box trusts. Take it from where this box's image came from." ;;
    *"Signature size is 0"*) echo "It is not signed." ;;
    *"nvalid bundle"* | *"identifier"*) echo "It is no bundle, or not the whole of one. Fetch it again." ;;
    *"not allowed"*) echo "It is a bundle of a kind that this box does not take." ;;
    *) echo "It can't be used: $complaint" ;;
  esac
}

# refused_version VERSION: in words, if it must not be installed over the running one; nothing if it may.
refused_version() {
  if ! is_version "$1"; then
    echo "It has no version that could be compared."
  elif older "$1" "$(release VERSION)" && [ ! -e "$ROOT/run/platen-install/older-is-allowed" ]; then
    echo "It is version $1, older than $(release VERSION), which runs. Allow the older one expressly if it is meant."
  fi
}
