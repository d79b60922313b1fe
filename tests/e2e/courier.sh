#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A client that is moved from CPU to CPU is answered by a thread of idle priority; nothing else changes.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
need taskset ps setpriv
[ "$(nproc)" -gt 1 ] || skip_all 'with one CPU nobody is moved'
mkdir "$scratch"/{low,mnt}
echo below >"$scratch/low/f"

# kept SERVER: wanders until the server has a courier.
kept() {
	local i
	for ((i = 0; i < 20; i++)); do
		wander "$scratch/mnt"
		[ -n "$(courier_of "$1")" ] && return
	done
	return 1
}

mnt_fg "$scratch/mnt" -o "lowerdir=$scratch/low,upperdir=$scratch/up"
check 'a client that is always moved gets a courier' kept "$server"
like "$(courier_of "$server")" ' IDL$' 'which has idle priority'
watch=$(ps -L -o tid=,comm= -p "$server" | awk '$2 == "vf-watch" {print $1}')
# cpus TID: where a thread may run.
cpus() { sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "/proc/$server/task/$1/status"; }
watch_is_free() { [ "$(cpus "$watch")" = "$(cpus "$server")" ]; }
# Sees it while there are requests.
watch_is_aside() {
	local client aside=1
	wander "$scratch/mnt" &
	client=$!
	while kill -0 "$client" 2>/dev/null; do
		watch_is_free || aside=0
		sleep 0.01
	done
	wait "$client"
	return "$aside"
}
check 'the watch, which would make its CPU look busy, goes out of its way' eventually 60 watch_is_aside
check 'and may be where it likes when nobody is kept' eventually 60 watch_is_free
is "$(cat "$scratch/mnt/f")" below 'files are read'
for i in {1..200}; do echo "$i" >"$scratch/mnt/new$i"; done
is "$(cat "$scratch/mnt"/new* | sort -n | tail -n 1)" 200 'and made'
is "$(find "$scratch/mnt" | wc -l)" 202 'and listed'
# Who is busy elsewhere is not in the way of others for good: the courier's CPU is wanted now.
busy=()
for ((i = 0; i < 2 * $(nproc); i++)); do
	background sh -c 'while :; do :; done'
	busy+=($!)
done
for i in {1..200}; do rm "$scratch/mnt/new$i"; done
wander "$scratch/mnt" 20
is "$(ls "$scratch/mnt")" f 'all goes on when every CPU is wanted'
unmnt "$scratch/mnt"
check 'and the server ends' eventually 60 has_ended "$server"
kill "${busy[@]}"
is "$("$VENEER" diff "$scratch/up")" '' 'what was made and removed has left no trace'

# Without privilege a thread may give up its priority, but not get it back: none has to.
chmod 711 "$scratch"
install -d -o nobody -g nogroup "$scratch/home" "$scratch/home/mnt"
as_nobody() { timeout 120 setpriv --reuid nobody --regid nogroup --clear-groups "$@" </dev/null; }
if [ ! -u "$(command -v fusermount3)" ] || ! as_nobody test -x "$VENEER"; then
	skip 'as nobody' 'needs a setuid fusermount3 and a program that nobody can reach'
	finish
fi
dev_fuse 666
mounts+=("$scratch/home/mnt")
check 'nobody mounts' as_nobody "$VENEER" mount -o "lowerdir=$scratch/low,upperdir=$scratch/home/up" "$scratch/home/mnt"
server=$(server_of "$scratch/home/mnt" as_nobody)
export -f wander
nobody_kept() {
	local i
	for ((i = 0; i < 20; i++)); do
		as_nobody bash -c 'wander "$1"' - "$scratch/home/mnt"
		[ -n "$(courier_of "$server")" ] && return
	done
	return 1
}
check 'nobody is kept, too' nobody_kept
like "$(courier_of "$server")" ' IDL$' 'by a thread of idle priority'
is "$(as_nobody cat "$scratch/home/mnt/f")" below 'and reads'
check 'and unmounts' as_nobody fusermount3 -u "$scratch/home/mnt"
check 'whereupon the server ends' eventually 60 has_ended "$server"
finish
