#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Compares a Kconfig result with the files that asked for it: check-kconfig.sh .config FILE…
#
# Every line of the files must stand in the result; of two lines for one symbol the last one counts. What is asked for as
# a module may be built in. A symbol that is asked to be off may be unknown. Ends with 1 and a list of what was lost.
set -eu

[ $# -ge 2 ] || { echo "usage: check-kconfig.sh .config FILE…" >&2; exit 2; }
for file in "$@"; do
  [ -r "$file" ] || { echo "check-kconfig.sh: $file can't be read" >&2; exit 2; }
done

awk '
  BEGIN { result = ARGV[1] }
  /^# [A-Za-z0-9_]+ is not set$/ { note($2, "n") }
  /^[A-Za-z0-9_]+=/ { name = $0; sub(/=.*/, "", name); value = $0; sub(/^[^=]*=/, "", value); note(name, value) }
  function note(name, value) {
    if (FILENAME == result) { got[name] = value; return }
    if (!(name in want)) order[++count] = name
    want[name] = value
    from[name] = FILENAME
  }
  END {
    for (i = 1; i <= count; i++) {
      name = order[i]
      have = (name in got) ? got[name] : "n"
      if (want[name] == have || (want[name] == "m" && have == "y")) continue
      if (want[name] == "\"\"" && !(name in got)) continue
      printf "%s: %s=%s, but it is %s\n", from[name], name, want[name], have
      lost++
    }
    if (lost) { printf "%d of %d symbols were lost\n", lost, count; exit 1 }
  }
' "$@" >&2
