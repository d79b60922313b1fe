#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The server is killed in the middle of a git checkout: nothing that was acknowledged is lost.
# VENEER_TEST_LONG=1 does it more often.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
need git
build=$(dirname "$VENEER")
reporter=$build/tests/e2e/reporter work=$build/bench/work
[ -x "$reporter" ] && [ -x "$work" ] || skip_all "needs $reporter and $work"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null HOME=$scratch

repo=$scratch/lower/repo
mkdir -p "$repo" "$scratch/mnt"
"$work" tree "$scratch/tree" 40 50 3000 >/dev/null && mv "$scratch/tree"/* "$repo"
{ git -C "$repo" init -q -b main && git -C "$repo" add . &&
	git -C "$repo" -c user.name=t -c user.email=t@t commit -q -m files; } || bail 'git init'
rm -rf "$repo"/d*

operations() { stat -c %s "$scratch/log"; }
at_least() { [ "$(operations)" -ge "$1" ]; }
begun() { compgen -G "$scratch/mnt/repo/d*/f*" >/dev/null; }

# Kills the server after the reporter has done so many operations and the checkout has begun.
kill_after() {
	local ops=$1 upper=$scratch/upper$1 mnt=$scratch/mnt git reporting
	mnt_fg "$mnt" -o "lowerdir=$scratch/lower,upperdir=$upper"
	mkdir "$mnt/reported"
	git -C "$mnt/repo" reset -q --hard >/dev/null 2>&1 </dev/null &
	git=$!
	"$reporter" work "$mnt/reported" >"$scratch/log" 2>/dev/null </dev/null &
	reporting=$!
	eventually 60 begun || not_ok 'the checkout begins'
	eventually 60 at_least "$ops" || not_ok 'the reporter works'
	kill -9 "$server"
	wait "$server" "$git" "$reporting" 2>/dev/null
	umount -l "$mnt"
	eventually 30 not is_mounted "$mnt" || bail 'unmounting after the kill'
	done_ops=$(operations)
	diag "killed after $done_ops operations, with $(find "$upper/data" -type f | wc -l) data files"
}

for ops in 50 1000 ${VENEER_TEST_LONG:+1 7 200 3000 5000 10000 20000}; do
	kill_after "$ops"
	upper=$scratch/upper$ops mnt=$scratch/mnt
	check "after $ops operations: veneer check is clean" "$VENEER" check "$upper"
	mnt "$mnt" -o "upperdir=$upper"
	check "after $ops operations: every operation that had returned is there" \
		"$reporter" check "$mnt/reported" "$done_ops"
	find "$mnt/repo/.git" -name '*.lock' -delete # git was killed, too
	check "after $ops operations: git goes on" git -C "$mnt/repo" reset -q --hard
	is "$(git -C "$mnt/repo" status --porcelain)" '' "after $ops operations: and finds nothing changed"
	check "after $ops operations: the repository is whole" git -C "$mnt/repo" fsck --strict
	unmnt "$mnt"
	check "after $ops operations: clean at the end" eventually 30 "$VENEER" check "$upper"
done
finish
