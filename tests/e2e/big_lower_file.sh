#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Small writes to a lower file of 1 GiB make the upper grow by little, and the file is right everywhere.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
work=$(dirname "$VENEER")/bench/work
[ -x "$work" ] || skip_all "needs $work"
[ "$(df -m --output=avail "$scratch" | tail -n 1)" -gt 3000 ] || skip_all 'needs 3 GB of space'

mib=1024 size=$((1024 << 20)) lower=$scratch/lower/big
mkdir "$scratch/lower" "$scratch/mnt"
"$work" file "$lower" $mib >/dev/null || bail 'making the file'
grew() { echo $((($(du -s -B1 "$scratch/upper/data" | cut -f1) - before) / 1024)); }
at_most() { # at_most KIB NAME
	local n
	n=$(grew)
	diag "$2: the data grew by $n KiB"
	[ "$n" -le "$1" ] && ok "$2" || not_ok "$2" "$n KiB instead of $1"
}
# piece FILE OFFSET LENGTH
piece() { dd if="$1" iflag=skip_bytes,count_bytes,fullblock skip="$2" count="$3" bs=64K status=none; }
right() { # right WHEN
	local f=$scratch/mnt/big mid=$((size / 2))
	is "$(stat -c %s "$f")" $((size + 1)) "$1: the size"
	is "$(piece "$f" $size 10)" x "$1: what was appended"
	is "$(piece "$f" $mid 3)" new "$1: what was overwritten"
	cmp -s <(piece "$f" 0 $mid) <(piece "$lower" 0 $mid) &&
		cmp -s <(piece "$f" $((mid + 3)) $((mid - 3))) <(piece "$lower" $((mid + 3)) $((mid - 3))) &&
		ok "$1: the rest is as below" || not_ok "$1: the rest is as below"
}

mnt "$scratch/mnt" -o "lowerdir=$scratch/lower,upperdir=$scratch/upper"
before=$(du -s -B1 "$scratch/upper/data" | cut -f1)
printf x >>"$scratch/mnt/big"
at_most 128 'appending a byte grows the data by 128 KiB at most'
before=$(du -s -B1 "$scratch/upper/data" | cut -f1)
printf new | dd of="$scratch/mnt/big" bs=3 seek=$((size / 2)) oflag=seek_bytes conv=notrunc status=none
at_most 128 'overwriting in the middle too'
right 'while mounted'
unmnt "$scratch/mnt"
check 'the layer is clean' eventually 30 "$VENEER" check "$scratch/upper"
mnt "$scratch/mnt" -o "upperdir=$scratch/upper"
right 'after a remount'
before=$(du -s -B1 "$scratch/upper/data" | cut -f1)
truncate -s 10 "$scratch/mnt/big"
at_most 0 'shrinking copies nothing'
is "$(stat -c %s "$scratch/mnt/big")" 10 'and shrinks'
cmp -s "$scratch/mnt/big" <(piece "$lower" 0 10) && ok 'what is left is as below' || not_ok 'what is left is as below'
unmnt "$scratch/mnt"
is "$(stat -c %s "$lower")" $size 'the lower file is as it was'
finish
