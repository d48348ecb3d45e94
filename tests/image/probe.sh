#!/bin/sh
# SPDX-License-Identifier: Apache-2.0 OR MIT
# What somebody would try who has got hold of the box's daemon. Root can do all of it; the test runs it as root, to see that
# each try is a real one, and in the daemon's unit. What begins with "own" the daemon may do.
# shellcheck disable=SC2317 # called by their names
attempt() {
  name=$1
  shift
  if "$@" > /dev/null 2>&1; then echo "done $name"; else echo "refused $name"; fi
}

list() { [ "$(ls -A "$1")" ]; }
same() { value=$(cat "$1") && echo "$value" > "$1"; }
mounted() { mkdir /tmp/probe && mount -t tmpfs none /tmp/probe && umount /tmp/probe; }
group() { mkdir "/sys/fs/cgroup/$1" && rmdir "/sys/fs/cgroup/$1"; }
node() { mknod /tmp/node b 254 0 && rm /tmp/node; }
left() { touch "$1/probe" && rm "$1/probe"; }
# BusyBox's date says what it can't do, and that all is well.
set_clock() {
  now=$(date +%s)
  date -s "@$((now + 1000))"
  [ "$(date +%s)" -ge "$((now + 1000))" ] && date -s "@$now"
}
on_wire() {
  for card in /sys/class/net/*; do
    card=${card##*/}
    if [ "$card" != lo ]; then arping -f -c 3 -w 3 -I "$card" 10.0.2.2 && return; fi
  done
  return 1
}

attempt own-data list /var/lib/platen
attempt own-updates left /data/update
attempt own-orders left /run/platen/orders
attempt passwords cat /etc/shadow
attempt ssh-keys list /data/ssh
attempt slots list /data/rauc
attempt first-partition list /boot/firmware
attempt disk dd if=/dev/vda of=/dev/null bs=512 count=1
attempt root-device dd if=/dev/dm-0 of=/dev/null bs=512 count=1
attempt data-device dd if=/dev/mapper/platen-data of=/dev/null bs=512 count=1
attempt console-of-the-kernel dd if=/dev/kmsg of=/dev/null bs=8192 count=1
attempt words-of-init cat /proc/1/environ
attempt files-of-init list /proc/1/fd
attempt signal-to-init kill -0 1
attempt mount mounted
attempt namespace unshare -m true
attempt device-node node
attempt raw-frames on_wire
attempt clock set_clock
attempt host-name hostname "$(hostname)"
attempt kernel-settings same /proc/sys/kernel/panic
attempt settings left /etc/platen
attempt units left /run/systemd/system
attempt firewall nft list ruleset
attempt control-groups group platen-probe
exit 0
