#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# 500 lower directories: they mount, and a lookup in them costs no more system calls than in one.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
need strace xargs
strace -qq -e trace=none true 2>/dev/null || skip_all 'strace cannot trace here'
layers=500 names=200

# The directory d is in every layer, with a name of its own; the lowest has those that are looked up first.
mkdir -p "$scratch/one/d" "$scratch/mnt"
seq 0 $((layers - 1)) | sed "s|.*|$scratch/many/&/d|" | xargs mkdir -p
seq 0 $((layers - 1)) | sed "s|.*|$scratch/many/&/d/s&|" | xargs touch
touch "$scratch/many/$((layers - 1))"/d/low{000..199}
cp "$scratch/many"/*/d/* "$scratch/one/d"
for ((i = 0; i < layers; i += 100)); do echo "$i" >"$scratch/many/$i/d/top"; done
echo 0 >"$scratch/one/d/top"

# What the server does with files, counted; reading requests and answering them is not among it.
traced=openat,openat2,open_by_handle_at,name_to_handle_at,statx,newfstatat,fstat,getdents64,readlinkat,close
traced+=,getxattr,lgetxattr,fgetxattr,listxattr,llistxattr,flistxattr,faccessat,faccessat2,dup,fcntl

# Every thread of the server is traced: what one of them does unseen would be missing in the count.
attached() { ! grep -qs '^TracerPid:[[:space:]]*0$' "/proc/$server/task"/*/status; }

# lookups NAME OPTIONS FILE...: mounts, loads the directory d, looks the names up in it; $calls is what that took.
lookups() {
	local name=$1 mnt=$scratch/mnt tracer
	mnt_fg "$mnt" -o "$2"
	shift 2
	is "$(cat "$mnt/d/top")" 0 "$name: the top layer wins"
	strace -f -qq -e "trace=$traced" -o "$scratch/trace" -p "$server" 2>/dev/null &
	tracer=$!
	pids+=("$tracer")
	eventually 30 attached || bail 'strace does not attach'
	# One name after the other, not a listing: nobody has asked for these names.
	stat "${@/#/$mnt/d/}" >/dev/null 2>&1
	kill -INT "$tracer"
	wait "$tracer" 2>/dev/null
	calls=$(grep -cE '^[0-9]+ +[a-z0-9_]+\(' "$scratch/trace")
	# A worker now and then asks on which CPU its client waits: an open and a close, of no layer.
	calls=$((calls - 2 * $(grep -cE '^[0-9]+ +openat\(AT_FDCWD, "/proc/' "$scratch/trace")))
	diag "$name: $# names, $calls calls: $(sed 's/^[0-9]* *//; s/(.*//' "$scratch/trace" | sort | uniq -c | tr -s ' \n' ' ')"
	is "$(ls "$mnt/d" | wc -l)" $((layers + names + 1)) "$name: all names are listed"
	unmnt "$mnt"
}
# no_more CALLS THAN NAME
no_more() { [ "$1" -le "$2" ] && ok "$3" || not_ok "$3" "$1 calls, $2 allowed"; }

one=lowerdir=$scratch/one
list=$(seq -f "$scratch/many/%.0f" -s : 0 $((layers - 1)))
many=lowerdir=$list
low=($(printf 'low%03d ' $(seq 0 $((names - 1)))))
spread=($(seq -f s%.0f 0 $((names - 1))))
lookups 'in one layer' "$one" "${low[@]}"
in_one=$calls
lookups "in the lowest of $layers" "$many" "${low[@]}"
no_more "$calls" $((in_one + 5)) 'a lookup costs no more calls in many layers than in one'
lookups "all over $layers" "$many" "${spread[@]}"
no_more "$calls" $((3 * names + 5)) 'each in another layer: that directory is opened, nothing else'
lookups 'missing' "$many" "${spread[@]/#/missing}"
no_more "$calls" 5 'a name that is in none costs no call'

# With a view that is kept nothing is looked at.
kept=()
for ((i = 0; i < layers; i++)); do kept+=(-l "$scratch/many/$i"); done
check 'a view of them is kept' "$VENEER" index "${kept[@]}" -c "$scratch/cache"
lookups "all over $layers, with a view" "$many,basecache=$scratch/cache" "${spread[@]}"
no_more "$calls" 5 'with a view no name costs a call'

# The rest of the life of such a mount.
kept=$((layers + names))
mnt "$scratch/mnt" -o "$many,upperdir=$scratch/upper"
check 'they can be written over' sh -c 'cd "$0" && rm d/s1 && echo new >d/s2 && mv d e && mkdir d && echo x >d/x' "$scratch/mnt"
is "$(cat "$scratch/mnt/e/s2"; ls "$scratch/mnt/d"; ls "$scratch/mnt/e" | wc -l)" "new
x
$kept" 'a renamed directory keeps what all layers gave it'
unmnt "$scratch/mnt"
mnt "$scratch/mnt" -o "upperdir=$scratch/upper"
is "$(cat "$scratch/mnt/e/s2"; ls "$scratch/mnt/d"; ls "$scratch/mnt/e" | wc -l)" "new
x
$kept" 'also after a remount'
unmnt "$scratch/mnt"
finish
