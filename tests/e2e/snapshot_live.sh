#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Snapshots, rollback, deletion and forks while writers are at work.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse
need python3

cd "$scratch" || exit 99
mkdir -p low/d mnt fork moved
echo base >low/base; echo in >low/d/in

mnt mnt -o lowerdir=low,upperdir=up
# A writer appends numbered lines: any state that was frozen has a prefix of them.
writer() {
	local n=0
	while [ ! -e "$scratch/stop" ]; do
		n=$((n + 1))
		echo "$n" >>"mnt/w$1"
		[ $((n % 10)) -ne 0 ] || { echo "$n" >"mnt/t$1"; mv "mnt/t$1" "mnt/r$1"; }
	done
}
for i in 1 2 3 4; do background writer $i; done
whole() { awk '$1 != NR {exit 1}' "$1"; }
eventually 20 test -e mnt/r1 -a -e mnt/r4
ln mnt/w1 mnt/hard; setfattr -n user.state -v one mnt/base; mv mnt/d mnt/e
check 'a snapshot under load' "$VENEER" snapshot up one
setfattr -n user.state -v two mnt/base; mv mnt/e mnt/f; rm mnt/hard; echo late >mnt/late
check 'a second one' "$VENEER" snapshot up two
mv mnt/f mnt/g; echo later >mnt/later
check 'a third one' "$VENEER" snapshot up three
is "$("$VENEER" log up | awk 'NR > 1 {print $NF}' | tr '\n' ' ')" 'three two one ' 'log: the newest first'
check_fails 'a name that is taken' "$VENEER" snapshot up two
check_fails 'an unknown one' "$VENEER" rollback up nothing
"$VENEER" cat --snapshot one up w1 >one.w1
check 'a frozen file is a prefix of what was written' whole one.w1
check 'deleting the one in the middle' "$VENEER" snapshot --delete up two
is "$("$VENEER" cat --snapshot one up w1 | cmp - one.w1 && "$VENEER" cat --snapshot three up late)" late 'the others are as they were'
touch stop
for i in "${pids[@]}"; do wait "$i"; done
check 'written to the end' whole mnt/w1

# Mappings and open files around a snapshot and a rollback.
cat >map.py <<'P'
import errno, mmap, os, subprocess, sys
veneer = sys.argv[1]
def run(*args):
    subprocess.run([veneer, *args, ], check=True, stdout=subprocess.DEVNULL)
fd = os.open("mnt/map", os.O_RDWR | os.O_CREAT)
os.write(fd, b"a" * 8192)
m = mmap.mmap(fd, 8192)
m[0:4] = b"BEFO"
run("snapshot", "up", "mapped")
m[0:4] = b"AFTE"
m.flush()
print(open("mnt/map", "rb").read(4).decode())
run("rollback", "up", "mapped")
print(open("mnt/map", "rb").read(4).decode())
for what in (lambda: os.fstat(fd), lambda: os.pread(fd, 4, 0), lambda: os.pwrite(fd, b"x", 0)):
    try:
        what()
        print("answered")
    except OSError as e:
        print("gone" if e.errno in (errno.ESTALE, errno.EIO) else e)
P
echo discarded >mnt/discarded
is "$(timeout 300 python3 map.py "$VENEER" 2>&1 | tr '\n' ' ')" 'AFTE BEFO gone gone gone ' 'mappings and descriptors'
check 'rollback to the first' "$VENEER" rollback up one
is "$(ls mnt | tr '\n' ' ')" "$(ls mnt | grep -v 'late\|map\|disc\|^d$\|^f$\|^g$' | tr '\n' ' ')" 'the old names'
is "$(cat mnt/e/in; getfattr --only-values -n user.state mnt/base 2>/dev/null; stat -c %h mnt/w1)" $'in\none2' 'xattrs, links, directories'
check 'old contents at once' cmp mnt/w1 one.w1
is "$("$VENEER" log up | awk 'NR > 1 {print $NF}')" one 'newer snapshots went too'
echo again >mnt/again
is "$("$VENEER" diff up one)" 'A again' 'and it goes on from there'

# Forks.
for i in $(seq 10); do "$VENEER" fork up@one "fork/$i" >/dev/null 2>&1 || not_ok "fork $i"; done
use() {
	mkdir "m$1" && "$VENEER" mount -o "upperdir=fork/$1" "m$1" && echo "$1" >>"m$1/w1" && echo "$1" >"m$1/own" && rm "m$1/base"
}
for i in $(seq 10); do mounts+=("$scratch/m$i"); use "$i" >/dev/null 2>&1 & jobs[i]=$!; done
for i in $(seq 10); do wait "${jobs[i]}" || not_ok "use of fork $i"; done
is "$(for i in $(seq 10); do tail -n 1 "m$i/w1"; "$VENEER" diff "fork/$i" one | tr '\n' ' '; done | sort | uniq -c | awk '{print $1}' | sort -n | tail -n 1)" \
	1 'ten forks, each with its own'
is "$("$VENEER" diff fork/3 one | sed 's/^M hard$/M w1/' | sort -k 2)" $'D base\nA own\nM w1' 'what one of them did'
check 'the origin is as it was' cmp mnt/w1 one.w1
for i in $(seq 10); do unmnt "m$i"; done
check_fails 'a fork over something' "$VENEER" fork up@one fork/1
check 'a copy' "$VENEER" fork --copy up@one copy
mkdir far && mount -t tmpfs far far && mounts+=("$scratch/far")
check 'a copy on another file system' "$VENEER" fork --copy up@one far/copy
check 'which is whole' sh -c '"$1" cat far/copy w1 | cmp - one.w1 && "$1" check far/copy' - "$VENEER"
unmnt far
check_fails 'a mounted upper is not forked as it is' "$VENEER" fork up now
unmnt mnt
mv low moved/low; mv copy moved/copy
mnt mnt -o lowerdir=moved/low,upperdir=moved/copy
is "$(cat mnt/e/in && cmp mnt/w1 one.w1 && echo same)" $'in\nsame' 'a copy stands alone, also when all was moved'
unmnt mnt
check 'the origin is clean' eventually 30 "$VENEER" check --lower moved/low up
check 'the copy is clean' eventually 30 "$VENEER" check --lower moved/low moved/copy

# A layer over another layer knows what it stands on, also for the commands that do not mount.
mnt mnt -o lowerdir=moved/low,upperdir=first
echo 1 >mnt/one
unmnt mnt
mnt mnt -o lowerdir=first:moved/low,upperdir=second
echo 2 >mnt/two
unmnt mnt
check 'a snapshot of a layer over a layer' "$VENEER" snapshot second two
mnt mnt -o upperdir=second
rm mnt/one mnt/two
unmnt mnt
check 'its fork' "$VENEER" fork second@two third
check 'and it goes back' "$VENEER" rollback second two
is "$("$VENEER" cat second one; "$VENEER" cat second two; "$VENEER" cat third one; "$VENEER" cat third two)" $'1\n2\n1\n2' 'to what it had'
check 'its snapshot goes' "$VENEER" snapshot --delete second two
check 'both are clean' sh -c '"$1" check second && "$1" check third' - "$VENEER"
finish
