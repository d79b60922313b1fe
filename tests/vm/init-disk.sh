#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# veneer-init moves a real guest from a share to a disk as its root; the runtime share that was mounted
# before comes along, and the server of the first root is still there at the end.
. "$(dirname "$0")/lib.sh"
vm_need
vm_need_init
need mkfs.ext4 debugfs

vm_root "$scratch/root"
cp "$vm_init" "$scratch/root/init.krun"
mkdir -p "$scratch/root/run/veneer" "$scratch/tools" && echo tool >"$scratch/tools/name"
vm_root "$scratch/disk-root"
rmdir "$scratch/disk-root/run" && echo disk >"$scratch/disk-root/etc/which"
truncate -s 32M "$scratch/disk" && mkfs.ext4 -q -d "$scratch/disk-root" "$scratch/disk" || bail 'cannot make a disk'
vm_virtiofsd "$scratch/socket" tree "$scratch/root"
vm_virtiofsd "$scratch/socket2" tools "$scratch/tools"
vm_disk "$scratch/disk"
vm_case <<'END'
mount_share tree /newroot && mount -t virtiofs tools /newroot/run/veneer
umount /dev
exec switch_root /newroot /init.krun sh -c '
	cat /etc/which
	while read -r device dir type rest; do echo "mount $device $dir $type"; done </proc/mounts
	cat /run/veneer/name
	echo written >/from-guest
	exit 5'
END
vm_append=VENEER_BLOCK_ROOT=/dev/vda
vm_run 120
is "$vm_report" 'VENEER-EXIT status=5' 'the status arrives, and the guest is off'
is "$(head -n 1 <<<"$vm_out")" disk 'the disk is the root'
like "$vm_out" '^mount /dev/vda / ext4' 'found to be ext4'
like "$vm_out" '^mount proc /proc proc' '/proc is mounted again'
like "$vm_out" '^mount tools /run/veneer virtiofs' 'the runtime share came along'
like "$vm_out" '^tool$' 'and can be read'
is "$(debugfs -R 'cat /from-guest' "$scratch/disk" 2>/dev/null)" written 'what the guest wrote is on the disk'
check 'the disk is clean' e2fsck -fn "$scratch/disk"
finish
