#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The tester itself, with kernel overlayfs in the place of veneer: layers are made
# right, and two trees that behave alike are found to be alike.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/diff_lib.sh"
need_root; need setfattr
need_tools
diag "VENEER_SEED=$VENEER_SEED VENEER_OPS=$VENEER_OPS"

# one NAME LAYERS CHANGES
one() {
	local name=$1 n=$2 m="$scratch/$1.mnt"
	layers "$name" "$n" overlay -k -o "$3"
	mkdir "$m" "$scratch/$name.upper" "$scratch/$name.work"
	mounts+=("$m")
	(cd "$scratch/$name" && mount -t overlay overlay -o \
		"lowerdir=$(seq -s: 0 $((n - 1))),upperdir=$scratch/$name.upper,workdir=$scratch/$name.work,redirect_dir=on,index=on,xino=on,metacopy=off" \
		"$m") 2>/dev/null || { skip "$name: $n layers" 'no overlayfs here'; return; }
	alike "$name: $n layers are what they stand for" "$m" "$scratch/$name/merged"
	check "$name: operations give the same" timeout 1500 \
		"$difftree" run -k -s "$VENEER_SEED" -n "$VENEER_OPS" -p 2 "$m" "$scratch/$name/merged"
	unmnt "$m"
}

one single 1 40
one three 3 25
one many 60 6

# And two that are not alike are found.
mkdir -p "$scratch/a/d" "$scratch/b/d"
touch "$scratch/a/d/f" "$scratch/b/d/f"
alike 'equal trees are equal' "$scratch/a" "$scratch/b"
chmod 600 "$scratch/b/d/f"
check_fails 'another mode is found' "$difftree" compare "$scratch/a" "$scratch/b"
finish
