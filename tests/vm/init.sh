#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Process 1 of the guests in tests/vm: loads the drivers and runs the test's part, /case. What is
# between VM-BEGIN and VENEER-EXIT on the console is the test's output.
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
while read -r module; do insmod "/modules/$module" || echo "cannot load $module"; done </modules/order

# vm_exit STATUS: the end of the guest.
vm_exit() {
	cd / && sync
	printf '\nVENEER-EXIT status=%s\n' "$1"
	poweroff -f
}

# mount_share TAG DIRECTORY
mount_share() { mkdir -p "$2" && mount -t virtiofs "$1" "$2"; }

# run_root TAG PROGRAM [ARGUMENT...]: the share becomes the root, PROGRAM in it process 1.
run_root() {
	mount_share "$1" /newroot || vm_exit 124
	shift
	umount /sys /proc
	umount /dev
	exec switch_root /newroot "$@"
}

# host LINE: waits until the host's side of the test says LINE.
host() {
	while read -r heard; do
		[ "$heard" = "$1" ] && return 0
	done
	vm_exit 123
}

stty -echo
echo VM-BEGIN
. /case
vm_exit $?
