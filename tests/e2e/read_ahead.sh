# SPDX-License-Identifier: Apache-2.0
# Reading ahead for a walk: over lowers that are slow, because each look into them is a message to another server.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
slow=$scratch/slow mnt=$scratch/mnt
mkdir "$slow" "$mnt" "$scratch/plain"
for layer in 0 1 2; do
	for d in {10..69}; do
		mkdir -p "$scratch/plain/$layer/$d/sub"
		echo "$layer" >"$scratch/plain/$layer/$d/in-$layer"
		echo "$layer" >"$scratch/plain/$layer/$d/sub/top"
	done
done
mkdir "$scratch/plain/0/files"
for f in {10..69}; do echo "$f" >"$scratch/plain/0/files/$f"; done
over() { echo "lowerdir=$1/0:$1/1:$1/2"; }
show() { (cd "$mnt" && find . -printf '%p %i %y %m %n %s %t\n' | sort); }
asked() { # asked ERE: how many such messages the slow server has got
	"$VENEER" stat --json "$slow" | sed -En "s/^ *\"($1)\": *([0-9]*),*\$/\\2/p" | awk '{n += $1} END {print n + 0}'
}
listed() { asked 'READDIR|READDIRPLUS'; }
listed_more_than() { [ "$(listed)" -gt "$1" ]; }
read_more_than() { [ "$(asked READ)" -gt "$1" ]; }
slow_mnt() { mnt "$slow" -o "lowerdir=$scratch/plain"; }

mnt "$mnt" -o "$(over "$scratch/plain")"
show >"$scratch/wanted"
unmnt "$mnt"

# One directory after another is no walk, and a short walk reads a little.
slow_mnt
mnt "$mnt" -o "$(over "$slow")"
ls "$mnt/15" >"$scratch/out"
before=$(listed)
cat "$mnt/16/sub/top" >"$scratch/out"
sleep 0.5
check 'a lookup reads what it needs only' [ "$(listed)" -le $((before + 14)) ]
ls "$mnt" >"$scratch/out"
before=$(listed)
ls "$mnt/17" >"$scratch/out"
check 'a directory entered from a listing has those beside it read' eventually 60 listed_more_than $((before + 8))
sleep 0.5
check 'but not all of them' [ "$(listed)" -le $((before + 150)) ]
unmnt "$mnt"
unmnt "$slow"

# A whole walk shows the same as over lowers that are not slow, and so do several at once.
slow_mnt
mnt "$mnt" -o "$(over "$slow"),upperdir=$scratch/upper"
show >"$scratch/got" &
walks=("$!")
show >"$scratch/got.2" &
walks+=("$!")
wait "${walks[@]}"
check 'a walk shows the same' diff "$scratch/wanted" "$scratch/got"
check 'and another beside it, too' diff "$scratch/wanted" "$scratch/got.2"
unmnt "$mnt"

# Somebody who reads one file after another of a directory will read them all.
unmnt "$slow"
slow_mnt
mnt "$mnt" -o "$(over "$slow")"
before=$(asked READ)
cat "$mnt/files/11" "$mnt/files/12" >"$scratch/out"
sleep 0.5
check 'two files are two files' [ "$(asked READ)" -le $((before + 2)) ]
cat "$mnt"/files/2* >"$scratch/out"
is "$(cat "$scratch/out")" "$(seq 20 29)" 'ten files are read'
check 'and the others ahead of being read' eventually 60 read_more_than $((before + 40))
is "$(cat "$mnt"/files/*)" "$(seq 10 69)" 'all have their bytes'
unmnt "$mnt"

# The end comes in the middle of it.
mnt "$mnt" -o "$(over "$slow")"
ls "$mnt" >"$scratch/out"
ls "$mnt/40" >"$scratch/out"
ls "$mnt/41" >"$scratch/out"
check 'a mount can be taken away while it reads ahead' unmnt "$mnt"
check 'and nothing holds the lowers' unmnt "$slow"
finish
