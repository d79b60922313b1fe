#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The benchmark runs every workload on every system; nothing is said about its figures.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
need git sqlite3 awk tar
build=$(dirname "$VENEER")
[ -x "$build/bench/work" ] || skip_all "needs $build/bench/work"
systems=native
unshare --mount sh -c 'mkdir "$0/m" && mount -t overlay overlay -o "lowerdir=/etc:/usr" "$0/m"' "$scratch" 2>/dev/null &&
	systems+=,kernel
command -v fuse-overlayfs >/dev/null && systems+=,fuse-overlayfs
systems+=,veneer

timeout 1500 "$top_srcdir/bench/compare" --build "$build" --dir "$scratch" --quick --rounds 1 \
	--systems "$systems" --raw "$scratch/raw" >"$scratch/table" 2>"$scratch/err"
is "$?" 0 'it ends well'
diag "$(cat "$scratch/err")"
cut -f4 "$scratch/raw" | grep -vEc '^([0-9.]+|-)$' >"$scratch/bad"
is "$(cat "$scratch/bad")" 0 'every workload has a figure on every system'
workloads=$(grep -vc '^#' "$top_srcdir/bench/workloads")
is "$(grep -c "	veneer	" "$scratch/raw")" "$workloads" 'veneer ran them all'
is "$(grep -c '^| ' "$scratch/table")" $((workloads + 2)) 'the table has a line for each'
like "$(cat "$scratch/table")" '^mkdir .veneer.: .*MKDIR 1\.' 'messages are counted by kind'
is "$(find "$scratch" -maxdepth 1 -name 'veneer-bench.*')" '' 'and it cleans up'
finish
