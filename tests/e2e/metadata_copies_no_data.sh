#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# chown -R, chmod -R, touch and attributes of 10,000 lower files make no data file.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
need setfattr getfattr
build=$(dirname "$VENEER")
work=$build/bench/work treesum=$build/tests/e2e/treesum
[ -x "$work" ] && [ -x "$treesum" ] || skip_all "needs $work and $treesum"

lower=$scratch/lower mnt=$scratch/mnt
mkdir "$lower" "$mnt"
"$work" tree "$lower" 100 100 2000 >/dev/null || bail 'making the tree'
ln -s d000/f000 "$lower/link"
"$treesum" -f tornisdxmcb "$lower" >"$scratch/lower.before"

mnt "$mnt" -o "lowerdir=$lower,upperdir=$scratch/upper"
data_files() { find "$scratch/upper/data" -type f -size +0 | wc -l; }
check 'chown -R' chown -Rh 1234:4321 "$mnt"
is "$(data_files)" 0 'it makes no data file'
check 'chmod -R' chmod -R u=rwX,go= "$mnt"
is "$(data_files)" 0 'it makes no data file'
check 'touch' find "$mnt" -type f -exec touch -d '2001-02-03 04:05:06.123456789' {} +
is "$(data_files)" 0 'it makes no data file'
check 'setfattr' find "$mnt/d000" -type f -exec setfattr -n user.note -v x {} +
is "$(data_files)" 0 'it makes no data file'

good() { # good WHEN
	is "$(find "$mnt" ! -uid 1234 -o ! -gid 4321 | wc -l)" 0 "$1: every owner"
	is "$(find "$mnt" \( -type f ! -perm 600 \) -o \( -type d ! -perm 700 \) | wc -l)" 0 "$1: every mode"
	is "$(find "$mnt" -type f ! -newermt '2001-02-03 04:05:06.123456788' | wc -l)" 0 "$1: no time is earlier"
	is "$(find "$mnt" -type f -newermt '2001-02-03 04:05:06.123456789' | wc -l)" 0 "$1: no time is later"
	is "$(getfattr --absolute-names --only-values -n user.note "$mnt/d000/f099")" x "$1: the attribute"
	check "$1: the data is as below" cmp \
		<("$treesum" -f d "$mnt") <("$treesum" -f d "$lower")
}
good 'while mounted'
unmnt "$mnt"
check 'the layer is clean' eventually 30 "$VENEER" check "$scratch/upper"
mnt "$mnt" -o "upperdir=$scratch/upper"
good 'after a remount'
unmnt "$mnt"
check 'the lower is as it was' cmp <("$treesum" -f tornisdxmcb "$lower") "$scratch/lower.before"
finish
