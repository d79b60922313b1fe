#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A tree of layers and a plain copy of what it stands for: the same random operations
# in both give the same results and the same tree, also after a remount, and leave the
# layers as they were.

. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/diff_lib.sh"
# The order of two directories' locks follows the tree, which renames change: ThreadSanitizer takes
# that for two orders.
export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}detect_deadlocks=0"
need_root; need_fuse; need setfattr
need_tools
diag "VENEER_SEED=$VENEER_SEED VENEER_OPS=$VENEER_OPS"

# one NAME LAYERS CONVENTION CHANGES [OPTION FLAG]: a stack with that many changes in a layer; a mount
# option, and what the tester has to know of it.
one() {
	local name=$1 n=$2 m="$scratch/$1.mnt" at option=${5:-} flag=${6:-}
	layers "$name" "$n" "$3" -o "$4"
	at="$name ($n layers, $3)"
	mkdir "$m"
	dump_lowers "$name" >"$scratch/$name.before"
	case $option in *basecache*) keep "$at: a view of the layers is kept" "$scratch/cache" ;; esac
	mnt "$m" -o "lowerdir=$lowers,upperdir=$scratch/$name.upper,allow_other$option"
	alike "$at: is what the layers stand for" "$m" "$scratch/$name/merged"
	# shellcheck disable=SC2086
	check "$at: operations give the same" timeout 1500 \
		"$difftree" run -u $flag -s "$VENEER_SEED" -n "$VENEER_OPS" -p 4 "$m" "$scratch/$name/merged"
	dump "$m" >"$scratch/$name.1"
	unmnt "$m"
	again "$m" "$scratch/$name.upper" "$option"
	alike "$at: is the same after a remount" "$m" "$scratch/$name/merged"
	dump "$m" >"$scratch/$name.2"
	check "$at: numbers and times survive a remount" diff "$scratch/$name.1" "$scratch/$name.2"
	# shellcheck disable=SC2086
	check "$at: goes on after a remount" timeout 1500 \
		"$difftree" run -u $flag -s "$((VENEER_SEED + 1))" -n "$((VENEER_OPS / 3))" -p 2 "$m" "$scratch/$name/merged"
	unmnt "$m"
	dump_lowers "$name" >"$scratch/$name.after"
	check "$at: the layers are as they were" diff "$scratch/$name.before" "$scratch/$name.after"
	check "$at: the writable layer is sound" eventually 60 "$VENEER" check "$scratch/$name.upper"
	rm -rf "${scratch:?}/$name" "$scratch/$name.upper"
}

one single 1 overlay 40
one three 3 mixed 25
one oci 3 oci 25 ",basecache=$scratch/cache"
one many 120 mixed 6 ",basecache=$scratch/cache"
one writeback 3 overlay 25 ,writeback -w
one passthrough 3 overlay 25 ,open=passthrough
finish
