#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The guest's init program as process 1 of a process namespace: mounts, command, status, signals,
# orphans. What needs a real guest (the share by its tag, powering off) is in tests/vm.
. "$(dirname "$0")/lib.sh"

need_root
need unshare mkfs.ext4
init=${VENEER_INIT:-$(dirname "$VENEER")/veneer-init}
[ -x "$init" ] || skip_all 'needs veneer-init, which needs a static C library'
unshare --fork --pid --mount --net --uts true 2>/dev/null || skip_all 'needs namespaces'

root=$scratch/root
mkdir -p "$root"/{dev,proc,sys,tmp,usr,etc}
for d in bin lib lib64 sbin; do [ -e "/$d" ] && ln -s "usr/$d" "$root/$d"; done
cp "$init" "$root/init"

# guest VARIABLE=VALUE... -- [ARGUMENT...]: runs the init program; its output is $out, its report $report.
# With $pidfile set, the process id of process 1 is written there.
guest() {
	timeout -k 5 240 unshare --fork --pid --mount --net --uts --kill-child \
		bash -c 'mount --bind /usr "$1/usr" && root=$1 && shift && exec chroot "$root" /usr/bin/env -i TERM=dumb "$@"' \
		guest "$root" "$@" </dev/null >"$scratch/out" 2>&1
	out=$(cat "$scratch/out")
	report=$(grep '^VENEER-EXIT' "$scratch/out" | tail -n 1)
}

# sh CODE: the guest's command is a shell with this code; more variables in $vars.
vars=()
sh() { guest ${vars[@]+"${vars[@]}"} /init /bin/sh -c "$1"; }

# What --check says, without being process 1.
is "$(VENEER_TMPFS='/tmp,size=8,noexec;/run' VENEER_BLOCK_ROOT=/dev/vda,ro VENEER_RUNTIME=tools \
	"$init" --check /bin/a 'b c' 2>&1)" \
	'tmpfs /tmp mode=1777 size=8MiB noexec
tmpfs /run mode=0755
root /dev/vda any ro
runtime tools /run/veneer
command [/bin/a] [b c]' '--check says what a guest would do'
check 'a bad specification fails --check' exit_is 1 env VENEER_TMPFS=tmp "$init" --check
check 'as another process than the first it refuses' exit_is 2 "$init" /bin/true

sh 'exit 7'
is "$report" 'VENEER-EXIT status=7' 'the status is reported'
sh 'kill -9 $$'
is "$report" 'VENEER-EXIT status=137 signal=9' 'a deadly signal is reported'

sh 'while read -r dev dir type options rest; do echo "$dir $type $options"; done </proc/mounts'
like "$out" '^/proc proc rw,nosuid,nodev,noexec' '/proc is mounted'
like "$out" '^/sys sysfs rw,nosuid,nodev,noexec' '/sys is mounted'
like "$out" '^/dev devtmpfs rw,nosuid' '/dev is mounted'
like "$out" '^/dev/pts devpts rw,nosuid,noexec.*gid=5,mode=620,ptmxmode=666' '/dev/pts is mounted'
like "$out" '^/dev/shm tmpfs rw,nosuid,nodev' '/dev/shm is mounted'
if grep -q cgroup2 /proc/filesystems; then
	like "$out" '^/sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec' 'cgroup2 is mounted'
else
	skip 'cgroup2 is mounted' 'the kernel has none'
fi
sh 'readlink /dev/fd; [ -d /run ] && echo run; echo $$; cat /sys/class/net/lo/flags'
is "$(head -n 2 <<<"$out")" '/proc/self/fd
run' '/dev/fd and /run are there'
like "$out" '^0x9$' 'the loopback interface is up'

vars=('VENEER_TMPFS=/tmp,size=16;/scratch/deep,mode=0710,noexec;')
sh 'grep -E "^tmpfs /(tmp|scratch)" /proc/mounts; stat -c "%n %a" /tmp /scratch /scratch/deep'
like "$out" '^tmpfs /tmp tmpfs rw,nosuid,nodev,relatime,size=16384k' 'a tmpfs has its size'
like "$out" '^tmpfs /scratch/deep tmpfs rw,nosuid,nodev,noexec,.*mode=710' 'a tmpfs has its options'
like "$out" '^/tmp 1777$' 'the mode of /tmp'
like "$out" '^/scratch/deep 710$' 'the mode that is given'
vars=('VENEER_TMPFS=/tmp,size=lots')
sh true
like "$out" '^veneer-init: VENEER_TMPFS, entry 1: size=lots is not a number' 'a bad specification is a sentence'
is "$report" 'VENEER-EXIT status=125 error=init' 'and a report'
vars=()

guest /init /no/such/program
like "$out" '^veneer-init: cannot run /no/such/program: No such file or directory' 'a missing program is named'
is "$report" 'VENEER-EXIT status=127 error=exec' 'and reported'
guest /init /etc
is "$report" 'VENEER-EXIT status=126 error=exec' 'a directory cannot be run'
guest VENEER_WORKDIR=/no/where /init /bin/true
like "$out" '^veneer-init: cannot enter the working directory /no/where' 'a missing working directory is named'
guest PATH=/nowhere:/usr/bin A=1 'VENEER_CMD=env' VENEER_WORKDIR=/etc VENEER_TYPO=1 VENEER_HOSTNAME=box /init
is "$(grep -E '^(A|PATH|VENEER_)' <<<"$out" | sort)" 'A=1
PATH=/nowhere:/usr/bin
VENEER_TYPO=1' 'the command gets the environment without our variables'
like "$out" '^veneer-init: VENEER_TYPO is not a variable that is known' 'a variable that is not known is told'
guest VENEER_CMD='sh -c "hostname; pwd"' VENEER_WORKDIR=/etc VENEER_HOSTNAME=box /init
like "$(tr '\n' ' ' <<<"$out")" '^box /etc ' 'host name and working directory'

# Orphans: the grandchild's parent is gone, process 1 reaps it.
sh '(sleep 0.2 & echo $! >/tmp/orphan); read -r orphan </tmp/orphan; n=0
	while [ -d "/proc/$orphan" ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done
	grep -l "^State:.Z" /proc/[0-9]*/status; exit 3'
is "$report" 'VENEER-EXIT status=3' 'an orphan that ends is not the command'
is "$(grep -c '^/proc/' <<<"$out")" 0 'and leaves no zombie'
# What is left over gets SIGTERM and time to act on it.
sh '(trap "echo ended; exit" TERM; : >/tmp/ready; while :; do sleep 0.1; done) &
	while [ ! -e /tmp/ready ]; do sleep 0.1; done; exit 0'
like "$out" '^ended$' 'what the command leaves behind is told to end'
is "$report" 'VENEER-EXIT status=0' 'before the report'
sh '(trap "" TERM; sleep 100) & exit 4'
is "$report" 'VENEER-EXIT status=4' 'and is killed when it does not'

# Signals: sent to process 1 from outside of the namespace.
(guest /init /bin/sh -c 'trap "echo got usr1" USR1; trap "echo got term; exit 9" TERM; echo ready
	while :; do sleep 0.1; done') &
job=$!
eventually 30 grep -q ready "$scratch/out" || not_ok 'the command starts'
one=$(grep -al '^/init' /proc/[0-9]*/cmdline 2>/dev/null | while read -r f; do
	[ "$(stat -L -c %i "${f%cmdline}root/init" 2>/dev/null)" = "$(stat -c %i "$root/init")" ] && basename "${f%/cmdline}"
done | head -n 1)
kill -USR1 "$one"
eventually 30 grep -q 'got usr1' "$scratch/out" && ok 'SIGUSR1 is handed on' || not_ok 'SIGUSR1 is handed on'
kill -TERM "$one"
wait "$job"
is "$(grep '^VENEER-EXIT' "$scratch/out")" 'VENEER-EXIT status=9' 'SIGTERM is handed on, the command decides'

# A disk as the root.
image=$scratch/disk
disk_root() {
	local loop
	mkdir -p "$scratch/tree"/{dev,proc,sys,usr,etc} && echo disk >"$scratch/tree/etc/which"
	for d in bin lib lib64 sbin; do ln -sfn "usr/$d" "$scratch/tree/$d"; done
	cp /bin/busybox "$scratch/tree/busybox" && truncate -s 32M "$image" &&
		mkfs.ext4 -q -d "$scratch/tree" "$image" && loop=$(losetup -f --show "$image") || return 1
	echo "$loop"
}
if [ -x /bin/busybox ] && ! ldd /bin/busybox >/dev/null 2>&1 && grep -qw ext4 /proc/filesystems &&
	loop=$(disk_root 2>"$scratch/why"); then
	detach() { losetup -d "$loop" 2>/dev/null; cleanup; }
	trap detach EXIT
	guest "VENEER_BLOCK_ROOT=$loop" 'VENEER_TMPFS=/tmp' /init /busybox sh -c '
		cat=/busybox\ cat; $cat /etc/which; $cat /proc/mounts; echo kept >/file; exit 5'
	is "$(head -n 1 <<<"$out")" disk 'a disk becomes the root'
	is "$report" 'VENEER-EXIT status=5' 'a command runs from it'
	like "$out" '^proc /proc proc' '/proc is mounted again'
	like "$out" '^tmpfs /tmp tmpfs' 'a tmpfs goes into the new root'
	is "$(ls -d /dev/.veneer-root 2>/dev/null)" '' 'nothing is left in /dev'
	is "$(debugfs -R 'cat /file' "$image" 2>/dev/null)" kept 'what it wrote is on the disk'
	guest "VENEER_BLOCK_ROOT=$loop,fstype=ext4,ro" /init /busybox sh -c 'echo x >/file || exit 6'
	is "$report" 'VENEER-EXIT status=6' 'a disk can be mounted read-only'
	guest "VENEER_BLOCK_ROOT=$loop,fstype=nonesuch" /init /busybox true
	like "$out" 'this kernel does not know the file system nonesuch' 'an unknown file system is named'
	dd if=/dev/zero of="$image" bs=1M count=32 conv=notrunc status=none
	guest "VENEER_BLOCK_ROOT=$loop" /init /busybox true
	like "$out" 'holds none of the file systems that this kernel knows' 'an empty disk is a sentence'
	guest VENEER_BLOCK_ROOT=/dev/null /init /busybox true
	like "$out" '/dev/null is not a block device' 'a device that is none is named'
else
	skip 'a disk becomes the root' "needs static busybox, ext4, a loop device: $(cat "$scratch/why" 2>/dev/null)"
fi
finish
