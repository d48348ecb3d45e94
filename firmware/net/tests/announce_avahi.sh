#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# Announces a queue on the loopback interface of a private network namespace and looks at it with
# Avahi. Needs root, avahi-daemon, avahi-utils and dbus-daemon. Run by tests/announce.rs, or by hand:
#   unshare -nmpf --mount-proc sh firmware/net/tests/announce_avahi.sh target/debug/examples/announce
# Prints one line for each finding; the last line is "all found" when nothing is missing.
set -u
announce=$1

ip link set lo up multicast on
mount -t tmpfs none /run
mkdir -p /run/dbus /run/avahi-daemon
dbus-daemon --system --nofork --nopidfile 2>/dev/null &
printf '[server]\nhost-name=peer\nallow-interfaces=lo\n[publish]\npublish-workstation=no\n' \
    >/run/avahi.conf

wait_for() { # what, command…: until the command succeeds, at most 10 s
    what=$1
    shift
    for _ in $(seq 100); do
        if "$@" >/dev/null 2>&1; then
            echo "found: $what"
            return
        fi
        sleep 0.1
    done
    echo "missing: $what"
    missing=1
}
missing=0
browse() { timeout 3 avahi-browse -tprk "$1"; }
shows() { browse "$1" | grep -q "^$2"; }
hides() { ! browse "$1" | grep -q "$2"; }

wait_for "system bus" test -S /run/dbus/system_bus_socket
avahi-daemon -f /run/avahi.conf --no-chroot --no-drop-root --no-rlimits 2>/dev/null &
wait_for "Avahi" test -S /run/avahi-daemon/socket
wait_for "Avahi on the bus" avahi-resolve -n peer.local

# Another printer has the second name already.
avahi-publish -s "Taken" _ipp._tcp 1234 2>/run/published &
wait_for "other printer" grep -q Established /run/published

mkfifo /run/hold /run/hold2
"$announce" "Floor 2" platenbox 8631 </run/hold >/run/name &
"$announce" "Taken" platenbox2 8632 </run/hold2 >/run/name2 &
exec 7>/run/hold 8>/run/hold2

for service in _ipp._tcp _ipps._tcp; do
    record="=;lo;IPv4;Floor\\\\0322;$service;local;platenbox.local;127.0.0.1;8631;.*rp=ipp/print"
    for type in $service _universal._sub.$service _print._sub.$service; do
        wait_for "$type" shows "$type" "$record" 7>&- 8>&-
    done
done
wait_for "name defence" shows _printer._tcp '=;lo;IPv4;Floor\\0322;.*;127.0.0.1;0;' 7>&- 8>&-
wait_for "renamed queue" shows _ipp._tcp '=;lo;IPv4;Taken\\032\\0402\\041;.*;8632;' 7>&- 8>&-
wait_for "renamed queue by its second subtype" \
    shows _print._sub._ipp._tcp '=;lo;IPv4;Taken\\032\\0402\\041;.*;8632;' 7>&- 8>&-

exec 7>&- 8>&-
wait_for "own name kept" grep -qx "Floor 2" /run/name
wait_for "own name changed" grep -qx "Taken (2)" /run/name2
for type in _ipp._tcp _ipps._tcp _printer._tcp _print._sub._ipp._tcp; do
    wait_for "goodbye of $type" hides "$type" 'Floor\\0322'
done
[ $missing = 0 ] && echo "all found"
