# SPDX-License-Identifier: Apache-2.0 OR MIT
# Every command of this project. `make` alone prints them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
# What the tests and `make run` use, all from Debian.
PACKAGES := cups cups-daemon cups-client cups-bsd cups-filters cups-ipp-utils \
  avahi-daemon avahi-utils dbus ghostscript mupdf-tools qpdf iproute2 iputils-ping procps util-linux \
  gcc-aarch64-linux-gnu libc6-dev-arm64-cross \
  qemu-system-x86 qemu-system-arm kmod libelf1 xz-utils snmp snmpd postgresql \
  chromium chromium-driver fonts-wqy-microhei python3 shellcheck \
  rauc squashfs-tools genimage grub-common grub-efi-amd64-bin grub-pc-bin ovmf mtools dosfstools cryptsetup-bin dmsetup fdisk \
  swtpm swtpm-tools openssl systemd nftables xfsprogs busybox-static e2fsprogs
export PLATEN_PORT_BASE ONCE

.PHONY: help deps build release run qemu check test image-test bench fuzz clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

deps: ## Install the Debian packages and cargo programs that are missing
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" \
	  "(the version stands in Cargo.toml as rust-version), then try again." >&2; exit 1; }
	@missing=""; for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${db:Status-Abbrev}' "$$package" 2>/dev/null | grep -q '^ii' \
	    || missing="$$missing $$package"; done; \
	command -v cc >/dev/null || missing="$$missing gcc libc6-dev"; \
	if [ -n "$$missing" ]; then $(MAKE) install-packages MISSING="$$missing"; fi
	@command -v cargo-nextest >/dev/null || $(CARGO) nextest --version >/dev/null 2>&1 \
	  || $(CARGO) install --locked cargo-nextest

# A policy-rc.d that forbids it keeps the packages from starting system services; it is taken away
# again, unless the machine had one of its own.
.PHONY: install-packages
install-packages:
	@command -v apt-get >/dev/null || { echo "These Debian packages are missing:$(MISSING)" >&2; exit 1; }
	@root=""; if [ "$$(id -u)" -ne 0 ]; then command -v sudo >/dev/null \
	    || { echo "As root: apt-get install$(MISSING)" >&2; exit 1; }; \
	  root="sudo"; sudo -n true 2>/dev/null || echo "sudo will ask for your password:"; fi; \
	policy=/usr/sbin/policy-rc.d; ours=""; \
	if [ ! -e $$policy ]; then ours=yes; \
	  printf '#!/bin/sh\nexit 101\n' | $$root tee $$policy >/dev/null; $$root chmod 755 $$policy; fi; \
	trap '[ -z "$$ours" ] || $$root rm -f '$$policy EXIT; \
	echo "installing:$(MISSING)"; \
	install() { $$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	  --no-install-recommends $(MISSING) >/dev/null; }; \
	install 2>/dev/null || { $$root apt-get update -qq && install; }

TARGET ?=
build: deps ## Build everything, for work on it (TARGET=aarch64-unknown-linux-gnu: the box's programs)
	@$(if $(TARGET),board/cross.sh $(TARGET) build --release -p platen-node -p platen-ctl, \
	  $(CARGO) build --workspace --bins)

# The same programs for a guest of the test bed, built in a fraction of the time.
.PHONY: guest-aarch64
guest-aarch64: deps
	@board/cross.sh aarch64-unknown-linux-gnu build --profile guest -p platen-node -p platen-ctl -p platen-guest

release: deps ## Build everything, optimised
	@$(CARGO) build --workspace --bins --release

run: build ## An office on this machine: box, printer, client (ONCE=1 ends after the sample)
	@exec target/debug/platen-office

qemu: build guest-kernels ## The box in a guest with a real kernel's device files, and a shell in it
	@exec target/debug/platen-qemu

check: deps ## Format, lints and documentation, without tests
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	@$(CARGO) clippy -p platen-hal-linux --features rpi --all-targets --quiet -- -D warnings

# What the test bed's guests boot: Debian's kernels, unpacked below .cache, once.
.PHONY: guest-kernels
guest-kernels: deps
	@tests/guest/kernel.sh amd64
	@tests/guest/kernel.sh arm64

# The box's image as a guest can start it: Debian's kernel and systemd, all else as Buildroot makes it.
.PHONY: image-for-tests
image-for-tests: build guest-kernels
	@tests/image/make.sh
	@BUNDLE_ONLY=1 tests/image/make.sh 9.1.0
	@BUNDLE_ONLY=1 TREE_EDIT=tests/image/broken-daemon.sh tests/image/make.sh 9.2.0

# Starts of the image that take minutes each.
IMAGE_TEST_ONLY := package(platen-tests) & binary(image) & \
  (test(cuts_of_a_disk_without) | test(drops_its_journal) | test(an_update_that_is_cut) | test(when_its_slot_rots) | test(a_box_with_a_tpm) | \
  test(a_factory_reset) | test(the_administrator_s_key) | test(the_house_s_dhcp))

image-test: image-for-tests ## Start the image in QEMU: all of it, cuts and updates in full number
	@PLATEN_CUTS=full $(CARGO) nextest run --workspace --profile image -E 'binary(image)'

test: build check guest-kernels guest-aarch64 image-for-tests ## Everything: format, lints, all tests with real CUPS, Avahi and guests in QEMU
	@$(CARGO) nextest run --workspace -E 'not ($(IMAGE_TEST_ONLY))'
	@echo "left to make image-test: more power cuts, dropped journals, updates that are cut, a slot that rots, a TPM, factory resets, SSH, DHCP"
	@$(CARGO) test --workspace --doc --quiet
	@echo "all tests passed"

# The firmware by Buildroot: docs/image.md. All of it is written below target/image/BOARD.
.PHONY: image legal-info sbom image-compare
image: ## The firmware of a box, by Buildroot: BOARD=… (BUILDROOT_DIR=…: a copy at hand)
	@buildroot/scripts/build.sh "$(BOARD)" image

legal-info: ## Licences and sources of what that firmware holds: BOARD=…
	@buildroot/scripts/build.sh "$(BOARD)" legal-info

sbom: ## What that firmware holds, as CycloneDX: BOARD=…
	@buildroot/scripts/build.sh "$(BOARD)" sbom

image-compare: ## What differs between two builds of one commit: A=folder B=folder
	@buildroot/scripts/check-reproducible.sh "$(A)" "$(B)"

bench: release guest-kernels ## Measure against cupsd in the same run, the card readers, and the image
	@target/release/platen-bench
	@target/release/platen-bench --image

FUZZ_ROUNDS ?= 2000000
fuzz: ## Feed every parser with damaged input, at length (FUZZ_ROUNDS, PLATEN_FUZZ_SEED)
	@PLATEN_FUZZ_ROUNDS=$(FUZZ_ROUNDS) $(CARGO) test --release -p platen-fuzz --test smoke

clean: ## Remove what was built and what `make run` wrote
	@$(CARGO) clean --quiet
	@rm -rf run
