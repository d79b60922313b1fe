#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A guest that resets itself mounts the share again: a second INIT on the same connection.
. "$(dirname "$0")/lib.sh"
vm_need
vm_need_serve

mkdir "$scratch/low" "$scratch/upper" && echo low >"$scratch/low/file"
vm_serve "$scratch/socket" tree -o "lowerdir=$scratch/low,upperdir=$scratch/upper"
vm_case <<'END'
mount_share tree /mnt || vm_exit 1
boots=$(cat /mnt/boots 2>/dev/null || echo 0)
boots=$((boots + 1))
echo $boots >/mnt/boots
echo "boot $boots: $(tail -n 1 /mnt/file) $(ls /mnt | tr '\n' ' ')"
echo "in boot $boots" >>/mnt/file
[ $boots -lt 3 ] || vm_exit 0
# Not unmounted: what the server holds for this boot is forgotten by nobody but itself.
exec 3</mnt/file
sync
reboot -f
END
vm_reboots=yes
vm_start
vm_saw '^VENEER-EXIT' 240
vm_wait 30
vm_ok 'the guest boots three times'
is "$(grep '^boot' "$scratch/console.txt" | sed 's/ *$//')" 'boot 1: low boots file
boot 2: in boot 1 boots file
boot 3: in boot 2 boots file' 'and finds each time what it left'
vm_serve_end
check 'the upper is whole' "$VENEER" check "$scratch/upper"
is "$("$VENEER" cat "$scratch/upper" /boots 2>&1)" 3 'what the last boot wrote is there'
finish
