#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How many messages each operation costs on a live mount: the kernel's minimum, and not one more.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
build=$(dirname "$VENEER")
work=$build/bench/work
[ -x "$work" ] || skip_all "needs $work"
n=50

lower=$scratch/lower mnt=$scratch/mnt
mkdir "$mnt"
"$work" tree "$lower" 4 $n 3000 >/dev/null || bail 'making the tree'
cp /bin/true "$lower/true"
mnt "$mnt" -o "lowerdir=$lower,upperdir=$scratch/upper"
cd "$mnt" || bail 'entering the mount'
exec 7<d003/f000 # after one OPEN the kernel sends no more, and no FLUSH nor RELEASE
exec 7<&-

# "NAME COUNT" lines since the last question.
messages() { "$VENEER" stat --json --reset "$mnt" | sed -n '/"messages": *{/,/}/ s/^ *"\([A-Z_0-9]*\)": *\([0-9]*\),*$/\1 \2/p'; }

# row NAME ALLOWED COMMAND...: the command does n operations; ALLOWED are "OPCODE=MESSAGES" for each of them, or
# "OPCODE:MESSAGES" for all of them. Two more may come from what was there before: the working directory's
# attributes, the first name in a directory. FORGET is no question: the kernel sends it when it likes.
row() {
	local name=$1 allowed=$2 seen
	shift 2
	messages >/dev/null
	"$@" >/dev/null 2>"$scratch/err" </dev/null || { not_ok "$name" "$(cat "$scratch/err")"; return; }
	seen=$(messages | tr '\n' ' ')
	diag "$name: $seen"
	if awk -v n=$n -v allowed="$allowed" -v seen="$seen" 'BEGIN {
		k = split(allowed, a, " ")
		for (i = 1; i <= k; i++) {
			split(a[i], p, /[=:]/)
			may[p[1]] += p[2] * (a[i] ~ /=/ ? n : 1)
		}
		k = split(seen, s, " ")
		for (i = 1; i < k; i += 2)
			if (s[i] !~ /FORGET/ && s[i + 1] > may[s[i]])
				over += s[i + 1] - may[s[i]]
		exit over > 2
	}'; then ok "$name: $allowed"; else not_ok "$name: $allowed" "sent for $n: $seen"; fi
}
w() { "$work" "$@"; }

# ls asks for the access list of files with group bits, and for a label once: then it knows that there are none.
row 'ls -l, cold' 'LOOKUP:1 READDIRPLUS:3 OPENDIR:1 GETXATTR=1 GETXATTR:3' ls -l d000
row 'ls -l, again' '' ls -l d000
row 'find and stat, cold' 'READDIRPLUS:8 OPENDIR:1 GETATTR:5' w walk .
# Listing made the access times of the directories stale, and reading those of the files: asked once.
row 'find and stat, again' 'GETATTR:5' w walk .
row 'find and stat, warm' '' w walk .
row 'stat by name, warm' '' w stat 1 $n
row 'a name that is not there' 'LOOKUP=1' w missing 1 $n
row 'again' '' w missing 1 $n
row 'read small files, cold' 'READ=1' w read 1 $n
row 'again' '' w read 1 $n
row 'stat of files that were read' 'GETATTR=1' w stat 1 $n
row 'again' '' w stat 1 $n

mkdir "$mnt/new" "$mnt/made" "$mnt/links"
row 'create' 'LOOKUP=1 CREATE=1 GETATTR=1' w create new $n 0
row 'chmod' 'SETATTR=1' w chmod new/new0 $n
row 'rename' 'LOOKUP=1 RENAME=1 GETATTR=1' w rename new $n
row 'create with 4 KiB' 'LOOKUP=1 CREATE=1 GETXATTR=1 WRITE=1 GETATTR=1' w create new $n 4096
row 'link' 'LOOKUP=1 LINK=1 GETATTR=1' w link new $n
row 'unlink' 'UNLINK=1 GETATTR=1' w unlink new $n
row 'mkdir' 'LOOKUP=1 MKDIR=1 GETATTR=1' w mkdir made $n
row 'symlink' 'LOOKUP=1 SYMLINK=1 GETATTR=1' w symlink links $n
row 'unlink of lower files' 'UNLINK=1 GETATTR=1' w unlink-tree 1 $n
# chown() itself asks for security.capability, which it would have to remove.
row 'chown -R of lower files' 'SETATTR=1 GETXATTR=1 SETATTR:1 READDIR:2 READDIRPLUS:2 LOOKUP:1' chown -R 1:1 d001

w file big 4 >/dev/null
w seqread big >/dev/null
row 'a large write' 'LOOKUP:1 CREATE:1 GETXATTR:1 GETATTR:1 WRITE:8' w write big2 8
row 'small writes' "WRITE=1 GETXATTR:1" w randwrite big $n
row 'small reads of what is cached' '' w randread big $n
row 'append and fsync' 'WRITE=1 FSYNC=1 LOOKUP:1 CREATE:1 GETXATTR:1 GETATTR:1' w fsync synced $n

each() { # each COMMAND...: n times
	local i
	for ((i = 0; i < n; i++)); do "$@" || return; done
}
./true
row 'exec: only security.capability' 'GETXATTR=1' each ./true
cd /
unmnt "$mnt"
mnt "$mnt" -o "upperdir=$scratch/upper,nosuid"
cd "$mnt" && ./true
row 'exec on a nosuid mount' '' each ./true
cd /
unmnt "$mnt"
finish
