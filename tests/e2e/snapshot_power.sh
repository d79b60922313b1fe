#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The power goes right after `veneer snapshot` has returned: the snapshot has every byte that was written before it.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
need mkfs.ext4

disk=$scratch/disk cut=$scratch/cut mnt=$scratch/mnt lower=$scratch/lower
mkdir "$disk" "$cut" "$mnt" "$lower"
seq 200000 >"$lower/seq"
# The journal of the disk is written out once in a long time, so that nothing is on it by chance.
truncate -s 256M "$scratch/image" && mkfs.ext4 -q -F "$scratch/image" || bail 'making a disk'
mount -o loop,commit=300 "$scratch/image" "$disk" 2>/dev/null || skip_all 'cannot mount a loop device here'
mounts+=("$disk")

mnt "$mnt" -o "lowerdir=$lower,upperdir=$disk/upper,commit=300"
seq 300000 >"$mnt/new"
echo 'one line more' >>"$mnt/seq"
mkdir "$mnt/dir" && cp "$mnt/new" "$mnt/dir/copy"
want=$(cd "$mnt" && sha256sum new seq dir/copy)
check 'a snapshot of what was written just now' "$VENEER" snapshot "$disk/upper" now
# One state of the disk: nobody writes while it is copied.
server=$(server_of "$mnt")
stopped() { grep -qs '^State:[[:space:]]*T' "/proc/$server/status"; }
copied() { cp --sparse=always "$scratch/image" "$scratch/image.cut" && cmp -s "$scratch/image" "$scratch/image.cut"; }
kill -STOP "$server" && eventually 30 stopped || not_ok 'the server stands still'
eventually 30 copied || not_ok 'the disk stands still'
kill -CONT "$server"
unmnt "$mnt"

mount -o loop "$scratch/image.cut" "$cut" || bail 'mounting what the cut left'
mounts+=("$cut")
check 'the layer is clean after the cut' eventually 30 "$VENEER" check "$cut/upper"
mnt "$mnt" -o "ro,upperdir=$cut/upper,snapshot=now"
is "$(cd "$mnt" && sha256sum new seq dir/copy)" "$want" 'every byte is in the snapshot'
unmnt "$mnt"
finish
