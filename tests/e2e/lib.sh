# SPDX-License-Identifier: Apache-2.0
#
# For the end-to-end tests: sourced first. TAP output, a scratch directory, mounts
# and processes that are cleaned up by id whatever happens.
#
#	. "$(dirname "$0")/lib.sh"
#	need_root; need_fuse
#	mkdir "$scratch/lower" "$scratch/mnt"
#	mnt "$scratch/mnt" -o "lowerdir=$scratch/lower,upperdir=$scratch/upper"
#	check 'a file can be made' touch "$scratch/mnt/f"
#	is "$(cat "$scratch/mnt/f")" '' 'it is empty'
#	finish
#
# A check that fails does not end the script; `bail` does. Diagnostics are lines that
# start with '#'; anything else a command prints would not be TAP, so send it away.

set -u
export LC_ALL=C
umask 022

: "${VENEER:=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/veneer}"
scratch=$(mktemp -d "${TMPDIR:-/tmp}/veneer-e2e.XXXXXX") || exit 99

tap_count=0 tap_failed=0
mounts=() pids=()

diag() { printf '%s\n' "$*" | sed 's/^/# /'; }

# ok NAME, not_ok NAME [WHY...]
ok() { echo "ok $((++tap_count)) - $1"; }
not_ok() {
	echo "not ok $((++tap_count)) - $1"
	tap_failed=$((tap_failed + 1))
	shift
	[ $# -eq 0 ] || diag "$*"
	return 0
}

# skip NAME WHY: one check that cannot be made here.
skip() { echo "ok $((++tap_count)) - $1 # SKIP ${2:-}"; }

# skip_all WHY: the whole script; only before the first check.
skip_all() { echo "1..0 # SKIP $*"; exit 0; }

# bail WHY: the rest makes no sense.
bail() { not_ok "$(basename "$0" .sh) can go on" "$@"; finish; }

# check NAME COMMAND...: passes when the command does; its output is shown when it fails.
check() {
	local name=$1 out rc
	shift
	out=$("$@" 2>&1 </dev/null)
	rc=$?
	if [ $rc -eq 0 ]; then ok "$name"; else not_ok "$name" "exit $rc from: $*"$'\n'"$out"; fi
	return 0
}

# check_fails NAME COMMAND...: passes when the command fails.
check_fails() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1 </dev/null); then not_ok "$name" "succeeded: $*"$'\n'"$out"; else ok "$name"; fi
	return 0
}

# is GOT WANTED NAME
is() { if [ "$1" = "$2" ]; then ok "$3"; else not_ok "$3" "got:    $1"$'\n'"wanted: $2"; fi; }

# like TEXT ERE NAME
like() { if grep -Eq -- "$2" <<<"$1"; then ok "$3"; else not_ok "$3" "got:    $1"$'\n'"wanted: /$2/"; fi; }

# exit_is CODE COMMAND...: for check.
exit_is() {
	local want=$1 rc
	shift
	"$@"
	rc=$?
	[ $rc -eq "$want" ] || { echo "exit $rc instead of $want"; return 1; }
}

# finish: prints the plan and ends the script.
finish() {
	echo "1..$tap_count"
	[ $tap_failed -eq 0 ]
	exit
}

need_root() { [ "$(id -u)" -eq 0 ] || skip_all 'needs root'; }
need_fuse() { [ -c /dev/fuse ] && [ -r /dev/fuse ] && [ -w /dev/fuse ] || skip_all 'needs /dev/fuse'; }
# dev_fuse MODE: /dev/fuse has this mode until the script ends; scripts that want that wait for each other.
dev_fuse_was=
dev_fuse() {
	if [ -z "$dev_fuse_was" ]; then
		flock -o /tmp/veneer-dev-fuse.lock sh -c 'touch "$0/locked"; while [ -d "$0" ]; do sleep 0.2; done' "$scratch" \
			</dev/null >/dev/null 2>&1 &
		pids+=("$!")
		eventually 600 test -e "$scratch/locked" || bail 'waiting for another test that sets the mode of /dev/fuse'
		dev_fuse_was=$(stat -c %a /dev/fuse)
	fi
	chmod "$1" /dev/fuse
}
need() { # need COMMAND...
	local c
	for c; do command -v "$c" >/dev/null || skip_all "needs $c"; done
}

is_mounted() { grep -qF " $(realpath -ms "$1" | sed 's/ /\\040/g') " /proc/self/mountinfo; }

# eventually SECONDS COMMAND...: waits until the command succeeds. The seconds are those of an idle machine; a busy one
# gets VENEER_PATIENCE (4) times as many.
eventually() {
	local end=$((SECONDS + $1 * ${VENEER_PATIENCE:-4}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# mnt MNT OPTION...: `veneer mount OPTION... MNT`, checked to be live; bails when it is not. Tests run side by side,
# and a mount namespace that another one makes keeps a copy of every mount until it ends: then the server before
# this one goes on for as long, and its upper is in use.
mnt() {
	local dir=$1 out end=$((SECONDS + 60))
	shift
	mounts+=("$dir")
	until out=$(timeout 60 "$VENEER" mount "$@" "$dir" 2>&1 </dev/null); do
		[[ $out == *' is in use by process '* && $SECONDS -lt $end ]] || bail "veneer mount $* $dir: $out"
		diag "still held: $out"
	done
	is_mounted "$dir" || bail "veneer mount $* $dir returned 0 and nothing is mounted: $out"
}

# mnt_fg MNT OPTION...: the same in the foreground; the server's process id is in $server afterwards. The mount is there a
# moment before commands find its server.
mnt_fg() {
	local dir=$1
	shift
	mounts+=("$dir")
	"$VENEER" mount -f "$@" "$dir" >"$scratch/server.log" 2>&1 </dev/null &
	server=$!
	pids+=("$server")
	eventually 60 is_mounted "$dir" && eventually 60 timeout 60 "$VENEER" stat "$dir" ||
		bail "veneer mount -f $*: $(cat "$scratch/server.log")"
}

# unmnt MNT: unmounts, and waits for the mount and for its server to be gone. umount(8) of a FUSE mount returns before its
# server has ended, which still makes durable what was written, holds the layer, and keeps busy what the layer lies in.
unmnt() {
	local out server end=$((SECONDS + 120))
	server=$(server_of "$1")
	while ! out=$(umount_once "$1" 2>&1) && is_mounted "$1"; do
		[[ $out == *busy* && $SECONDS -lt $end ]] || { not_ok "unmount $1: $out"; return; }
		sleep 0.05
	done
	eventually 30 not is_mounted "$1" || not_ok "unmount $1"
	[ -z "$server" ] || eventually 15 has_ended "$server" ||
		diag "the server of $1 goes on: another mount namespace has a copy of the mount"
}
# server_of MNT [COMMAND...]: the process that serves it, asked by the command; nothing when it does not say.
server_of() {
	local mnt=$1
	shift
	[ $# -gt 0 ] || set -- timeout 60
	"$@" "$VENEER" stat --json "$mnt" 2>/dev/null </dev/null | sed -n 's/^ *"pid": *\([0-9]*\),*$/\1/p'
}
# has_ended PID: also when nobody has waited for it yet.
has_ended() { [ ! -d "/proc/$1" ] || grep -qs '^State:[[:space:]]*Z' "/proc/$1/status"; }
umount_once() { if [ "$(id -u)" -eq 0 ]; then timeout 60 umount "$1"; else timeout 60 fusermount3 -u "$1"; fi; }
not() { ! "$@"; }

# wander MNT [N]: this shell looks up N pairs of names that are not there, none of them twice (the kernel would know), each from
# another of two CPUs than the one before, as if the scheduler moved it each time: the server ends up keeping it where it is
# (src/fuse/courier.h). Nothing where there is one CPU.
wander() {
	local cpus=() i tag=$BASHPID-$RANDOM
	mapfile -t cpus < <(taskset -cp $BASHPID | sed 's/.*: //' | tr , '\n' | awk -F- '{for (c = $1; c <= ($2 == "" ? $1 : $2); c++) print c}')
	[ ${#cpus[@]} -gt 1 ] || return 0
	for ((i = 0; i < ${2:-60}; i++)); do
		taskset -cp "${cpus[i % 2]}" $BASHPID >/dev/null
		[ ! -e "$1/wandering-$tag-$i-a" ] && [ ! -e "$1/wandering-$tag-$i-b" ]
	done
	taskset -cp "$(IFS=,; echo "${cpus[*]}")" $BASHPID >/dev/null
}
# courier_of SERVER: its courier's thread, and "IDL" for its policy; nothing when it has none.
courier_of() { ps -L -o tid=,cls=,comm= -p "$1" | awk '$3 == "vf-courier" {print $1, $2}'; }

# background COMMAND...: started in the background, ended at exit; its id is in $!.
background() {
	"$@" </dev/null >/dev/null 2>&1 &
	pids+=("$!")
}

# Unmounts whatever happens: a server that hangs is cut off, so that nothing waits for it.
force_unmount() {
	local minor
	minor=$(awk -v m="$(realpath -ms "$1" | sed 's/ /\\\\040/g')" '$5 == m {split($3, d, ":"); print d[2]}' /proc/self/mountinfo | tail -n 1)
	timeout 20 umount "$1" 2>/dev/null && return
	echo 1 2>/dev/null >"/sys/fs/fuse/connections/$minor/abort"
	umount -l "$1" 2>/dev/null || fusermount3 -uz "$1" 2>/dev/null
}

cleanup() {
	local rc=$? i
	trap - EXIT INT TERM
	[ -z "$dev_fuse_was" ] || chmod "$dev_fuse_was" /dev/fuse
	for ((i = ${#mounts[@]} - 1; i >= 0; i--)); do
		is_mounted "${mounts[i]}" && force_unmount "${mounts[i]}"
	done
	for i in ${pids[@]+"${pids[@]}"}; do
		# The number of one that has been waited for may be somebody else's by now.
		[ "$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$i/status" 2>/dev/null)" = $$ ] || continue
		kill "$i" 2>/dev/null && { eventually 1 has_ended "$i" || kill -9 "$i" 2>/dev/null; }
	done
	wait 2>/dev/null
	rm -rf --one-file-system "$scratch"
	exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
