################################################################################
#
# platen
#
################################################################################

PLATEN_VERSION = local
PLATEN_SITE = $(realpath $(BR2_EXTERNAL_PLATEN_PATH)/..)
PLATEN_SITE_METHOD = local
PLATEN_LICENSE = Apache-2.0 or MIT
PLATEN_LICENSE_FILES = LICENSE-APACHE LICENSE-MIT
PLATEN_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = \
	--exclude /target --exclude /run --exclude /.cache

# legal-info would archive the checkout with everything that was built in it.
PLATEN_REDISTRIBUTE = NO

# The profile of Cargo.toml, where the infrastructure has other settings; and no
# folder of the build in the programs, so that two builds are alike.
PLATEN_CARGO_ENV = \
	CARGO_BUILD_RUSTFLAGS="--remap-path-prefix=$(BR_CARGO_HOME)=/cargo \
		--remap-path-prefix=$(@D)=/platen" \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=4 \
	CARGO_PROFILE_RELEASE_LTO=thin \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=3

PLATEN_CARGO_BUILD_OPTS = --package platen-node --package platen-ctl

ifeq ($(BR2_PACKAGE_PLATEN_RPI),y)
PLATEN_CARGO_BUILD_OPTS += --features platen-node/rpi
endif

# A local site is never downloaded, so that the step which vendors the crates
# does not run for it. The build itself is offline.
define PLATEN_FETCH_CRATES
	cd $(@D) && \
	$(TARGET_MAKE_ENV) $(PKG_CARGO_ENV) \
		cargo fetch --locked --target $(RUSTC_TARGET_NAME)
endef
PLATEN_PRE_BUILD_HOOKS += PLATEN_FETCH_CRATES

# cargo install takes no workspace with several programs.
PLATEN_BUILT = $(@D)/target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)

define PLATEN_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 $(PLATEN_BUILT)/platend $(TARGET_DIR)/usr/bin/platend
	$(INSTALL) -D -m 0755 $(PLATEN_BUILT)/platenctl $(TARGET_DIR)/usr/bin/platenctl
endef

# The two below run for a target without a folder: $(@D) is not the package there.
define PLATEN_ARCHIVE_SOURCE
	mkdir -p $(REDIST_SOURCES_DIR_TARGET)/platen
	$(TAR) --exclude=./target --exclude='./.stamp_*' --exclude='./.files-list*' \
		--sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
		-C $(PLATEN_DIR) -czf $(REDIST_SOURCES_DIR_TARGET)/platen/platen.tar.gz .
endef
PLATEN_POST_LEGAL_INFO_HOOKS += PLATEN_ARCHIVE_SOURCE

# The crates' licences ask for their texts to go along.
define PLATEN_COPY_CRATE_LICENCES
	cd $(PLATEN_DIR) && \
	$(TARGET_MAKE_ENV) $(PKG_CARGO_ENV) \
		buildroot/scripts/sbom.py --target $(RUSTC_TARGET_NAME) \
			--licences $(LICENSE_FILES_DIR_TARGET)/platen-crates
endef
PLATEN_POST_LEGAL_INFO_HOOKS += PLATEN_COPY_CRATE_LICENCES

$(eval $(cargo-package))

# Which crates are linked is cargo's to say, also where nothing was built yet.
platen-legal-info: host-rustc
