# SPDX-License-Identifier: Apache-2.0
# Real guests in QEMU; minutes, so not part of `make check` but of `make check-all`.
vm_tests += \
	tests/vm/harness.sh \
	tests/vm/init-disk.sh \
	tests/vm/init-share.sh \
	tests/vm/serve-debian.sh \
	tests/vm/serve-kill.sh \
	tests/vm/serve-mount.sh \
	tests/vm/serve-ops.sh \
	tests/vm/serve-reboot.sh \
	tests/vm/serve-root.sh \
	tests/vm/serve-snapshot.sh
test_data += tests/vm/init.sh tests/vm/lib.sh

# What the guests are made of: a kernel from Debian, an initramfs.
clean-local: clean-vm
clean-vm:
	-rm -rf tests/vm/cache
.PHONY: clean-vm
