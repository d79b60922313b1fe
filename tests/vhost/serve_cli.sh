#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The words of `veneer serve`: what is refused and why, what is accepted, what the processes do.
. "$(dirname "$0")/../e2e/lib.sh"

client=${top_builddir:-build}/tests/vhost/client
low=$scratch/low up=$scratch/up sock=$scratch/sock
mkdir "$low" && echo below >"$low/f"
serve() { timeout 120 "$VENEER" serve "$@" 2>&1 </dev/null; }
layers=(-o "lowerdir=$low,upperdir=$up")

# refused CODE SENTENCE NAME WORD...
refused() {
	local code=$1 sentence=$2 name=$3 out rc
	shift 3
	out=$(serve "$@")
	rc=$?
	is "$rc" "$code" "$name: exit $code"
	like "$out" "$sentence" "$name: says why"
	is "$(wc -l <<<"$out")" 1 "$name: in one line"
}
refused 2 'shar.*not part of veneer.*lowerdir=/srv' 'a shared directory' --socket="$sock" --shared-dir /srv
refused 2 'not part of veneer' 'a source' --socket="$sock" -o source=/srv
refused 2 'socket' 'no socket' "${layers[@]}"
refused 2 'not both' 'a socket and a descriptor' --socket="$sock" --fd=3 "${layers[@]}"
refused 2 'nothing to serve' 'no layers' --socket="$sock"
refused 2 'tag' 'a long tag' --socket="$sock" --tag=0123456789012345678901234567890123456 "${layers[@]}"
refused 2 'number' 'no queues' --socket="$sock" --num-request-queues=0 "${layers[@]}"
refused 2 'cache' 'a cache mode' --socket="$sock" --cache=sometimes "${layers[@]}"
refused 2 'sandbox mode' 'a sandbox mode' --socket="$sock" --sandbox=perhaps "${layers[@]}"
refused 2 'seccomp action' 'a seccomp action' --socket="$sock" --seccomp=perhaps "${layers[@]}"
refused 2 'group' 'an unknown group' --socket="$sock" --socket-group=no-such-group "${layers[@]}"
refused 2 'writeback' 'a mount and write-back' --socket="$sock" --also-mount=/mnt --writeback "${layers[@]}"
refused 1 'lower.*nowhere' 'a missing lower' --socket="$sock" -o lowerdir=/nowhere,upperdir="$up"
refused 1 'socket' 'a missing directory for the socket' --socket="$scratch/no/such/sock" "${layers[@]}"
refused 1 'at most' 'a long path for the socket' --socket="$scratch/$(printf '%0120d' 0)" "${layers[@]}"
refused 1 'fd=99' 'a descriptor that is not open' --fd=99 "${layers[@]}"
check 'no socket is left' test ! -e "$sock"
rm -rf "$up"

like "$("$VENEER" serve --version)" '^veneer [0-9]' 'the version, for launchers that ask every program'
out=$("$VENEER" serve --print-capabilities --nonsense-is-not-reached 2>&1)
like "$out" '"type": "fs"' 'capabilities are JSON of type fs'
# A launcher finds us by a file with this form.
check 'they parse' sh -c "printf '%s' '$out' | grep -c '[{}]' >/dev/null"

start() {
	"$VENEER" serve --socket="$sock" "$@" "${layers[@]}" >"$scratch/log" 2>&1 </dev/null &
	server=$!
	pids+=("$server")
	eventually 30 [ -S "$sock" ] || bail "veneer serve $*: $(cat "$scratch/log")"
}
stop() {
	kill -TERM "$server"
	wait "$server"
	is $? 0 "$1"
	check "$1: no socket is left" test ! -e "$sock"
}

start --sandbox=namespace --seccomp kill --announce-submounts --xattr -o cache=auto,xattr,modcaps=+sys_admin -o frobnicate
like "$(grep -c . "$scratch/log")" '^2$' 'two lines for many options without a meaning'
like "$(cat "$scratch/log")" 'unknown option ignored: frobnicate' 'an unknown one is named'
like "$(cat "$scratch/log")" 'without a meaning here: --announce-submounts, modcaps' 'so are those of virtiofsd'
is "$(stat -c %a "$sock")" 600 'the socket is its owner'\''s'
check 'a client is served' "$client" "$sock" make one
is "$("$client" "$sock" read f)" below 'a lower file is read'
is "$(timeout 120 "$VENEER" serve --socket="$sock" -o "lowerdir=$low" 2>&1 | grep -c 'listening there already')" 1 'a second server is refused'
check 'and does not hurt the first' "$client" "$sock" look one
like "$("$VENEER" stat "$up")" '^upper .*/up$' 'stat tells of the server, though no guest is there'
like "$("$VENEER" diff "$up")" '^A one$' 'diff sees what the guest made, while it is served'
check 'a snapshot is taken while it is served' "$VENEER" snapshot "$up" first
worker=$(pgrep -P "$server")
kill -9 "$worker"
check 'a client is served after the worker was killed' "$client" "$sock" look one
kill -USR1 "$server"
sleep 0.2
check 'and after it was replaced' "$client" "$sock" look one
"$client" "$sock" hold 30 &
pids+=("$!")
sleep 0.3
stop 'it ends while a front end is connected'
like "$("$VENEER" check "$up")" clean 'the upper is clean'

start --no-keeper
is "$(pgrep -P "$server" | wc -l)" 0 'without a keeper there is one process'
check 'a client is served' "$client" "$sock" make two
kill -9 "$server"
wait "$server" 2>/dev/null
start --no-keeper
check 'a dead server'\''s socket is replaced' "$client" "$sock" look two
stop 'it ends'

# The fence: everything goes on behind it.
status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(pgrep -P "$server")/status"; }
"$VENEER" serve --socket="$sock" --sandbox=require "${layers[@]}" >"$scratch/log" 2>&1 </dev/null &
server=$!
pids+=("$server")
if eventually 30 [ -S "$sock" ]; then
	is "$(status NoNewPrivs) $(status Seccomp)" '1 2' 'the worker has given up privileges and calls'
	check 'a client is served behind the fence' "$client" "$sock" make fenced
	check 'a snapshot is taken there' "$VENEER" snapshot "$up" fenced
	check 'and another' "$VENEER" snapshot "$up" again
	check 'one is deleted' "$VENEER" snapshot --delete "$up" again
	check 'a fork is made of it' "$VENEER" fork "$up@fenced" "$scratch/fork"
	kill -9 "$(pgrep -P "$server")"
	check 'the next worker is behind it, too' "$client" "$sock" look fenced
	is "$(status NoNewPrivs) $(status Seccomp)" '1 2' 'with as little'
	stop 'it ends behind the fence'
	layers_were=("${layers[@]}") made=0
	for layers in "lowerdir=$low,upperdir=$scratch/fork" "upperdir=$scratch/fork" "lowerdir=$up:$low,upperdir=$scratch/above"; do
		layers=(-o "$layers")
		start --sandbox=require
		check "a client finds what is below in ${layers[1]//$scratch\//}" "$client" "$sock" look fenced
		is "$("$client" "$sock" read f)" below 'and the lower'
		check 'and makes something' "$client" "$sock" make "new-$((++made))"
		stop 'it ends'
	done
	layers=("${layers_were[@]}")
	start --sandbox=none --seccomp=none
	is "$(status Seccomp)" 0 'there may be no fence'
	stop 'it ends'
	like "$("$VENEER" check "$up")" clean 'the upper is clean'
else
	wait "$server"
	skip 'the fence' "$(cat "$scratch/log")"
fi

"$client" "$sock" listen "$VENEER" serve --fd=3 "${layers[@]}" >"$scratch/log" 2>&1 </dev/null &
server=$!
pids+=("$server")
check 'a socket that was handed over is served' eventually 20 "$client" "$sock" look two
kill -TERM "$server"
wait "$server"
is $? 0 'and the server ends'
rm -f "$sock"

if [ "$(id -u)" -eq 0 ] && [ -c /dev/fuse ]; then
	mkdir "$scratch/mnt"
	mounts+=("$scratch/mnt")
	start --also-mount="$scratch/mnt"
	is "$(cat "$scratch/mnt/f")" below 'the tree is mounted too'
	check_fails 'a name that is not there' cat "$scratch/mnt/three"
	check 'the guest makes it' "$client" "$sock" make three
	check 'the mount sees it at once' eventually 20 cat "$scratch/mnt/three" # its notice has a thread of its own
	echo four >"$scratch/mnt/four"
	is "$("$client" "$sock" read four)" four 'the guest sees what the mount makes'
	is "$("$client" "$sock" look four | cut -d' ' -f2)" 1 'and trusts it for one second'
	check 'the kernel remembers the attributes of its root' stat "$scratch/mnt"
	# A courier changes its policy, which the sandbox has to let it do (not with one CPU: then there is none).
	worker=$(pgrep -P "$server")
	for ((i = 0; i < 20; i++)); do
		wander "$scratch/mnt"
		[ -z "$(courier_of "$worker")" ] || break
	done
	is "$(courier_of "$worker" | cut -d' ' -f2)" "$([ "$(nproc)" -gt 1 ] && echo IDL)" 'a client that is always moved gets a courier'
	check 'and the worker goes on' test -d "/proc/$worker"
	kill -9 "$(pgrep -P "$server")"
	# Names and bytes of the dead mount are remembered, but not what stat -f shows.
	check 'the mount is back after the worker was killed' eventually 20 sh -c 'stat -f "$1" && cat "$1/three"' - "$scratch/mnt"
	stop 'both end'
	check_fails 'and nothing stays mounted' is_mounted "$scratch/mnt"
	start --also-mount="$scratch/mnt"
	check 'its root is looked at' stat "$scratch/mnt"
	kill -9 "$(pgrep -P "$server")"
	kill -TERM "$server"
	wait "$server"
	check_fails 'nor when the end comes before the next worker' is_mounted "$scratch/mnt"
else
	skip 'the tree is mounted too' 'needs root and /dev/fuse'
fi
finish
