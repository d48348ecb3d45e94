#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
# post-build.sh TARGET_DIR BOARD: makes a tree of programs and the overlay into this board's root file system. BOARD is a folder
# or the name of one in board/. Runs on Buildroot's target folder (as its post-build script) and on a tree unpacked from
# Debian's packages, where it also makes what there the packages' own scripts would: users, BusyBox's names.
# From the environment: VERSION (else the file VERSION); KEYRING (certificates of whose bundles the box will take), else
# KEYS, a folder with ca.pem.
set -euo pipefail

target=$(cd "${1:?usage: post-build.sh TARGET_DIR BOARD}" && pwd)
here=$(cd "$(dirname "$0")/.." && pwd)
board=${2:?usage: post-build.sh TARGET_DIR BOARD}
[ -d "$board" ] || board=$here/../board/$board
version=${VERSION:-$(cat "$here/VERSION")}
# shellcheck source=/dev/null
. "$board/board.env"
: "${BOARD:?}" "${NAME:?}" "${COMPATIBLE:?}"

# What the system is, for people, for systemd, and for the check of updates.
write_release() {
  printf 'VERSION=%s\nBOARD=%s\nCOMPATIBLE=%s\n' "$version" "$BOARD" "$COMPATIBLE" > "$target/etc/platen-release"
  rm -f "$target/etc/os-release" "$target/usr/lib/os-release"
  cat > "$target/usr/lib/os-release" <<EOT
NAME="Platen"
ID=platen
VERSION_ID=$version
PRETTY_NAME="Platen $version"
VARIANT="$NAME"
VARIANT_ID=$BOARD
EOT
  ln -s ../usr/lib/os-release "$target/etc/os-release"
}

write_board() {
  install -d "$target/usr/share/platen"
  install -m 644 "$board/board.env" "$board/board.toml" "$target/usr/share/platen/"
}

write_rauc() {
  local lines handlers text
  case $BOOTLOADER in
    grub) lines=$'bootloader=grub\ngrubenv=/boot/firmware/grub/grubenv' handlers='' ;;
    tryboot) lines='bootloader=custom' handlers=$'bootloader-custom-backend=/usr/lib/platen/boot-pi\n' ;;
    *) echo "post-build.sh: unknown boot loader $BOOTLOADER" >&2 && exit 1 ;;
  esac
  text=$(cat "$here/rootfs-overlay/etc/rauc/system.conf.in")
  text=${text//@COMPATIBLE@/$COMPATIBLE}
  text=${text//@BOOTLOADER_LINES@/$lines}
  printf '%s\n' "${text//@HANDLER_LINES@/$handlers}" > "$target/etc/rauc/system.conf"
  rm -f "$target/etc/rauc/system.conf.in"
  local keyring=${KEYRING:-${KEYS:+$KEYS/ca.pem}}
  [ -s "$keyring" ] || { echo "post-build.sh: KEYRING names no certificates: whose updates shall the box take?" >&2 && exit 1; }
  install -m 644 "$keyring" "$target/etc/rauc/keyring.pem"
}

# The places where something is mounted; git keeps no empty folders.
make_folders() {
  (cd "$target" && install -d boot/firmware data dev etc/platen proc root run sys tmp var)
  chmod 700 "$target/root"
  # systemd looks for it before /var is mounted over it.
  ln -sfn ../run "$target/var/run"
  # The administrator's files; packages bring an empty folder here, which a link in the overlay could not replace.
  rm -rf "$target/etc/systemd/network"
  ln -s /data/etc/network "$target/etc/systemd/network"
}

# What needs no reader on a box, and what a shell or a package's own service would be started by.
remove() {
  (
    cd "$target"
    rm -rf usr/share/{doc,man,info,locale,i18n,lintian,bug,bash-completion,zsh,fish,initramfs-tools,polkit-1,menu,applications,pixmaps}
    rm -rf etc/{init.d,rc?.d,cron.*,default,fstab,logrotate.d,dhcp,kernel,nftables.conf,motd,issue,issue.net,network,profile.d}
    rm -rf usr/lib/systemd/{catalog,user,user-preset,portable,ntp-units.d,boot} usr/lib/{kernel,initcpio} var/* run/* tmp/*
    find . -xdev -name '*.dpkg-*' -delete
    : > etc/machine-id
  )
  # Nobody becomes somebody else by a program here.
  find "$target" -xdev -type f -perm /6000 -exec chmod ug-s {} +
}

# Buildroot makes the users of users.table itself, later; its root has no password by its configuration.
free_id() {
  local id=100
  while grep -Eq "^[^:]*:[^:]*:$id:" "$1"; do id=$((id + 1)); done
  echo "$id"
}

group() {
  local id=$2
  grep -q "^$1:" "$target/etc/group" && return
  if [ "$id" -lt 0 ]; then id=$(free_id "$target/etc/group"); fi
  printf '%s:x:%s:\n' "$1" "$id" >> "$target/etc/group"
}

member() {
  sed -i -E "s/^($2:x:[0-9]+:)(.*)\$/\\1\\2,$1/; s/^($2:x:[0-9]+:),/\\1/" "$target/etc/group"
}

user() {
  local name=$1 id=$2 group=$3 home=$4 shell=$5 groups=$6 gid one
  gid=$(sed -n "s/^$group:x:\([0-9]*\):.*/\1/p" "$target/etc/group")
  if [ "$id" -lt 0 ]; then id=$(free_id "$target/etc/passwd"); fi
  [ "$home" != - ] || home=/
  printf '%s:x:%s:%s::%s:%s\n' "$name" "$id" "$gid" "$home" "$shell" >> "$target/etc/passwd"
  printf '%s:*:::::::\n' "$name" >> "$target/etc/shadow"
  if [ "$groups" != - ]; then
    for one in ${groups//,/ }; do
      group "$one" -1
      member "$name" "$one"
    done
  fi
}

# The groups that Buildroot's skeleton has, then those that systemd's rules for devices name, then the table.
make_users() {
  local name id group gid home shell groups
  printf '%s\n' root:x:0: daemon:x:1: sys:x:3: adm:x:4: tty:x:5: disk:x:6: kmem:x:9: cdrom:x:11: video:x:28: audio:x:29: \
    tape:x:32: utmp:x:43: users:x:1000: nogroup:x:65534: > "$target/etc/group"
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$target/etc/passwd"
  printf 'root:*:::::::\nnobody:*:::::::\n' > "$target/etc/shadow"
  while read -r name id group gid _; do
    case $name in '' | '#'*) continue ;; esac
    if [ "$gid" -ge 0 ]; then group "$group" "$gid"; fi
  done < "$here/users.table"
  for group in input render kvm sgx systemd-journal; do group "$group" -1; done
  while read -r name id group gid _ home shell groups _; do
    case $name in '' | '#'*) continue ;; esac
    group "$group" "$gid"
    if [ "$name" != - ]; then user "$name" "$id" "$group" "$home" "$shell" "$groups"; fi
  done < "$here/users.table"
  chmod 600 "$target/etc/shadow"
}

# Debian's BusyBox comes without the names of its parts. What a package of its own brings keeps its name.
name_busybox() {
  local busybox applet
  for busybox in usr/bin/busybox bin/busybox; do [ -x "$target/$busybox" ] && break; done
  for applet in $("$target/$busybox" --list); do
    for folder in usr/bin usr/sbin bin sbin; do
      if [ -e "$target/$folder/$applet" ] || [ -L "$target/$folder/$applet" ]; then continue 2; fi
    done
    ln -s "/$busybox" "$target/usr/bin/$applet"
  done
}

write_release
write_board
write_rauc
remove
make_folders
if [ -z "${BR2_CONFIG:-}" ]; then
  make_users
  name_busybox
else
  # Without a login, root needs a shell only for SSH, and a password never.
  sed -i 's/^root:[^:]*:/root:*:/' "$target/etc/shadow"
fi
