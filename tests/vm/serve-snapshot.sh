#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Snapshots while a guest writes: each is a state that existed. The guest makes numbered files in order, each with
# its number three times, so a snapshot holds the first N of them, whole but for the last.
. "$(dirname "$0")/lib.sh"
vm_need
vm_need_serve
need_fuse
"$VENEER" snapshot --help >/dev/null 2>&1 || skip_all 'needs veneer snapshot, which this build does not have'

low=$scratch/low upper=$scratch/upper
mkdir -p "$low/d" "$upper" "$scratch/mnt" && echo 0 >"$low/d/count"
vm_serve "$scratch/socket" tree -o "lowerdir=$low,upperdir=$upper"
vm_case <<'END'
mount_share tree /mnt && cd /mnt/d || vm_exit 1
exec 3<count
i=0
while [ $i -lt 600 ]; do
	i=$((i + 1))
	echo "$i" >"f$i"; echo "$i" >>"f$i"; echo "$i" >>"f$i"
	echo "$i" >count
	[ $((i % 100)) -ne 50 ] || echo "at $i"
done
# The descriptor from before the first snapshot sees the last write.
read -r held <&3 && echo "held $held"
cat f* | sort -n | uniq -c | awk '$1 != 3' | wc -l
END
vm_start
taken=
for at in 50 150 250 350; do
	vm_saw "^at $at\$" 120
	"$VENEER" snapshot "$upper" "s$at" >"$scratch/snapshot.log" 2>&1 && taken="$taken $at" ||
		not_ok "a snapshot at $at" "$(cat "$scratch/snapshot.log")"
done
vm_wait 180
vm_ok 'the guest writes on through four snapshots'
is "$(grep -v '^at' <<<"$vm_out" | tr '\n' ' ')" 'held 600 0 ' 'an open file goes on, nothing is lost'
vm_serve_end
check 'the upper is whole' "$VENEER" check "$upper"

# state DIRECTORY: "N" when exactly the files 1..N are there and only the last may be short.
state() {
	local n f lines
	n=$(find "$1" -name 'f*' | wc -l)
	for ((f = 1; f <= n; f++)); do
		[ -e "$1/f$f" ] || { echo "f$f of $n is missing"; return; }
		lines=$(grep -cx "$f" "$1/f$f")
		[ "$lines" -eq 3 ] || [ "$f" -eq "$n" ] || { echo "f$f of $n has $lines lines"; return; }
	done
	echo "$n"
}
for at in $taken; do
	"$VENEER" fork "$upper@s$at" "$scratch/fork$at" >"$scratch/fork.log" 2>&1 ||
		{ not_ok "fork of s$at" "$(cat "$scratch/fork.log")"; continue; }
	mnt "$scratch/mnt" -o "lowerdir=$low,upperdir=$scratch/fork$at"
	n=$(state "$scratch/mnt/d")
	if [[ $n =~ ^[0-9]+$ ]] && [ "$n" -ge "$at" ]; then
		ok "snapshot at $at is a state that existed (the first $n files)"
	else
		not_ok "snapshot at $at is a state that existed" "$n"
	fi
	unmnt "$scratch/mnt"
done
mnt "$scratch/mnt" -o "lowerdir=$low,upperdir=$upper"
is "$(state "$scratch/mnt/d")" 600 'the head has all'
unmnt "$scratch/mnt"
finish
