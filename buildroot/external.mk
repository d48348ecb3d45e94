################################################################################
#
# Platen: what is built besides Buildroot's own packages, and the checks of it
#
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
################################################################################

include $(sort $(wildcard $(BR2_EXTERNAL_PLATEN_PATH)/package/*/*.mk))

PLATEN_CHECK_KCONFIG = $(BR2_EXTERNAL_PLATEN_PATH)/scripts/check-kconfig.sh

# Kconfig drops a line of a fragment in silence where its dependencies are not
# met. The kernel's whole configuration is ours where it is no defconfig.
PLATEN_KERNEL_FILES = $(call qstrip, \
	$(BR2_LINUX_KERNEL_CUSTOM_CONFIG_FILE) \
	$(BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES))

define PLATEN_CHECK_KERNEL
	$(PLATEN_CHECK_KCONFIG) $(LINUX_DIR)/.config $(PLATEN_KERNEL_FILES)
endef
LINUX_POST_CONFIGURE_HOOKS += PLATEN_CHECK_KERNEL

PLATEN_BUSYBOX_FILES = \
	$(call qstrip,$(BR2_PACKAGE_BUSYBOX_CONFIG_FRAGMENT_FILES))

define PLATEN_CHECK_BUSYBOX
	$(PLATEN_CHECK_KCONFIG) $(BUSYBOX_DIR)/.config $(PLATEN_BUSYBOX_FILES)
endef
BUSYBOX_POST_CONFIGURE_HOOKS += PLATEN_CHECK_BUSYBOX

# The box needs one program of GRUB's tools. The rest is for people who install
# a boot loader by hand.
define PLATEN_KEEP_GRUB_EDITENV
	find $(TARGET_DIR)/usr/bin $(TARGET_DIR)/usr/sbin -name 'grub-*' \
		! -name grub-editenv -delete
	rm -rf $(TARGET_DIR)/usr/lib/grub $(TARGET_DIR)/usr/share/grub \
		$(TARGET_DIR)/etc/grub.d $(TARGET_DIR)/boot/grub
endef
GRUB2_TARGET_FINALIZE_HOOKS += PLATEN_KEEP_GRUB_EDITENV

# By hand: the same checks, and that of Buildroot's own configuration.
.PHONY: platen-check-fragments platen-check-config
platen-check-fragments: linux-configure busybox-configure
	$(PLATEN_CHECK_KERNEL)
	$(PLATEN_CHECK_BUSYBOX)

platen-check-config:
	$(PLATEN_CHECK_KCONFIG) $(BR2_CONFIG) $(DEFCONFIG)
