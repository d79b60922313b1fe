#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# veneer run: a command in a copy-on-write view.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse

cd "$scratch" || exit 99
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR" place
echo original >place/file
run() { timeout 120 "$VENEER" run "$@" </dev/null; }

# The default: this machine, thrown away.
out=$(run sh -c "rm $scratch/place/file; echo new >$scratch/place/new; cat $scratch/place/new; ls $scratch/place" 2>err)
is "$out" $'new\nnew' 'the command sees its own changes'
is "$(ls place; cat place/file)" $'file\noriginal' 'the machine does not'
like "$(cat err)" 'discarded.*veneer run -u' 'it is said how to keep changes'
is "$(ls -A "$TMPDIR")" '' 'the temporary layer is gone'
is "$(run -q true 2>&1)" '' '-q says nothing'
is "$(run -q pwd)" "$scratch" 'the command starts where it was typed'

# With -u.
check 'a layer is made' run -u layer -- sh -c 'echo one >place/one; mv place/file place/renamed; chmod 600 /etc/passwd'
is "$(ls place)" file 'the machine is as it was'
is "$(run -u layer -- sh -c 'cat place/one place/renamed')" $'one\noriginal' 'a second run goes on from the first'
is "$("$VENEER" diff layer | grep -v '/$')" "m etc/passwd
A ${scratch#/}/place/one
R ${scratch#/}/place/file -> ${scratch#/}/place/renamed" 'veneer diff shows the changes'
is "$(run -u layer -- ls "$scratch")" "$(ls -I layer)" 'the upper does not show in the tree'
check 'the layer is clean' eventually 30 "$VENEER" check layer

# Read-only.
out=$(run -o ro,frobnicate -- sh -c 'touch /x; cat place/file' 2>&1)
is "$(tail -n 1 <<<"$out")" original '-o ro shows the machine'
like "$out" 'Read-only file system' 'and lets nothing be changed'
like "$out" 'unknown option ignored: frobnicate' 'unknown options are said'
is "$(ls -A "$TMPDIR")" '' 'leaving nothing'
check_fails 'a layer that is not there cannot be read' run -o ro -u layer9 -- true
check_fails 'and is not made' test -e layer9

# Exit codes.
check 'the exit code is that of the command' exit_is 7 run -q sh -c 'exit 7'
check 'a command killed by a signal' exit_is 137 run -q sh -c 'kill -9 $$'
check 'a command that is not there' exit_is 127 run -q no-such-command
check 'a command that is no program' exit_is 126 run -q /etc/passwd
check 'no command' exit_is 2 run
check 'an unknown option' exit_is 2 run --frobnicate true

# What ordinary commands need.
check '/proc is there' run -q -- test -r /proc/self/status
check '/dev is there' run -q -- sh -c 'echo x >/dev/null && test -c /dev/zero'
check '/sys is there' run -q -- test -d /sys/kernel
check 'a file can be executed that the view made' run -q -- sh -c 'cp /bin/true ./mine && ./mine'
is "$(run -q -- sh -c 'echo a | cat; echo b >&2' 2>&1)" $'a\nb' 'pipes and stderr work'
is "$(echo hello | timeout 60 "$VENEER" run -q cat)" hello 'stdin is handed on'

# Another tree than this machine.
mkdir -p tree/bin tree/lib tree/lib64 tree/dev tree/proc tree/etc
for f in /bin/sh $(ldd /bin/sh /bin/ls | grep -o '/[^ ]*lib[^ ]*\.so[^ ]*' | sort -u) /bin/ls; do
	mkdir -p "tree/$(dirname "$f")" && cp -L "$f" "tree/$f"
done
is "$(run -q -l tree -- /bin/sh -c 'echo made >/made; pwd; ls /')" "$(echo / && { ls tree && echo made; } | sort)" \
	'-l shows another tree, whose root is where the command starts'
check_fails 'it is unchanged' test -e tree/made
mkdir top && echo top >top/who && echo base >tree/who && echo base >tree/only
is "$(run -q -l top -l tree -- /bin/sh -c 'read a </who; read b </only; echo $a $b')" 'top base' 'the first -l is the topmost'
is "$(run -q -l tree --virtual /etc/given="$scratch/top/who:600" -- /bin/sh -c 'read a </etc/given; echo $a')" top \
	'a virtual file is shown'

# Signals and what is left over.
"$VENEER" run -q -u layer2 -- sh -c 'trap "echo got it; exit 3" TERM; echo ready; while :; do sleep 0.1; done' >out 2>&1 </dev/null &
pid=$!
pids+=("$pid")
eventually 60 grep -q ready out
kill -TERM "$pid"
wait "$pid"
is "$? $(grep -v ready out)" '3 got it' 'signals are handed on'
out=$(run -q -- sh -c 'sleep 987654 & echo $!')
check 'what is left in the background ends with the command' eventually 10 has_ended "$out"
is "$(grep -c "$scratch" /proc/self/mountinfo)" 0 'nothing is mounted outside'

background "$VENEER" run -q -u layer2 -- sleep 600
eventually 60 test -e layer2/control
out=$(run -u layer2 -- true 2>&1)
is $? 1 'a second run in the same layer at once is refused'
like "$out" "layer2.*$!" 'naming the process that has it'
kill "$!"
wait "$!" 2>/dev/null
check 'and possible afterwards' run -u layer2 -- true

# A view does not keep other trees mounted.
mkdir other other/low other/mnt
mnt_fg other/mnt -o lowerdir=other/low,upperdir=other/up
background "$VENEER" run -q -u layer3 -- sleep 600
eventually 60 sh -c "pgrep -P $! -x sleep"
unmnt other/mnt
check 'a mount that was there before ends when it is unmounted' eventually 20 has_ended "$server"
finish
