#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A disk that the tree itself fills: what is removed there makes room, again and again, also when the ballast is used up.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse

disk=$scratch/disk mnt=$scratch/mnt
mkdir -p "$scratch/lower" "$disk" "$mnt"
echo lower >"$scratch/lower/file"
mount -t tmpfs -o size=40m veneer-test "$disk" 2>/dev/null || skip_all 'cannot mount a tmpfs here'
mounts+=("$disk")

mnt "$mnt" -o "lowerdir=$scratch/lower,upperdir=$disk/upper"
fill() { ! dd if=/dev/zero "of=$mnt/big" bs=64k 2>/dev/null; }
write() { (echo text >"$mnt/small") 2>/dev/null; }
for round in 1 2 3 4; do
	check "the tree fills the disk ($round)" fill
	check "what fills it can be removed ($round)" rm "$mnt/big"
	check "then there is room again ($round)" eventually 60 write
done
check 'a lower file can be removed' rm "$mnt/file"
check 'and space taken' eventually 60 fallocate -l 8m "$mnt/space"
unmnt "$mnt"
check 'the layer is clean' eventually 30 "$VENEER" check "$disk/upper"
is "$("$VENEER" diff "$disk/upper")" $'D file\nA small\nA space' 'it holds what was left'
finish
