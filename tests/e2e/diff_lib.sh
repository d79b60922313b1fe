# SPDX-License-Identifier: Apache-2.0
#
# For the differential tests, sourced after lib.sh: stacks of layers with the tree
# that they stand for, and the tester. VENEER_OPS says how many operations each process
# does. VENEER_SEED is the same one always, as a run has to say something about a change,
# and some seeds find kernel overlayfs wrong; `random` searches, and prints what it took.

: "${top_builddir:=$(dirname "$0")/../../build}"
difftree=$top_builddir/tests/diff/difftree
mklayers=$top_builddir/tests/diff/mklayers
: "${VENEER_SEED:=1}"
[ "$VENEER_SEED" != random ] || VENEER_SEED=$((RANDOM * 32768 + RANDOM))
: "${VENEER_OPS:=1500}"

need_tools() {
	[ -x "$difftree" ] && [ -x "$mklayers" ] || skip_all 'needs tests/diff/difftree and mklayers (make check builds them)'
	# The reference must keep what the tree keeps.
	touch "$scratch/probe"
	setfattr -n user.p -v p "$scratch/probe" 2>/dev/null || skip_all "no user attributes below $scratch"
	rm "$scratch/probe"
}

# layers NAME LAYERS CONVENTION OPTION...: makes $scratch/NAME; the list for lowerdir= is in $lowers afterwards.
layers() {
	local name=$1 n=$2 convention=$3
	shift 3
	lowers=$("$mklayers" -s "$VENEER_SEED" -n "$n" -c "$convention" "$@" "$scratch/$name") ||
		bail "mklayers -s $VENEER_SEED -n $n -c $convention $*"
}

# again MNT UPPER OPTION: mounts $lowers with an upper that was mounted just before. Any process that came
# into being with a copy of the mounts (unshare -m) keeps the old server alive as long as it lives.
again() {
	local tries=60 out
	mounts+=("$1")
	until out=$(timeout 60 "$VENEER" mount -o "lowerdir=$lowers,upperdir=$2,allow_other$3" "$1" 2>&1 </dev/null); do
		case $out in *'in use by'*) [ $((tries--)) -gt 0 ] || bail "$out" ;; *) bail "$out" ;; esac
		sleep 1
	done
}

# keep NAME DIR: keeps a view of $lowers in DIR.
keep() {
	local list=() dir
	while IFS= read -r -d : dir; do list+=(-l "$dir"); done <<<"$lowers:"
	check "$1" "$VENEER" index "${list[@]}" -c "$2"
}

# dump DIR: the tree as text, with inode numbers and all times.
dump() { "$difftree" dump -i "$1"; }

# dump_lowers NAME: all layers of a stack, without the merged tree.
dump_lowers() {
	local dir
	for dir in "$scratch/$1"/[0-9]*; do echo "$dir"; dump "$dir"; done
}

# alike NAME TREE REFERENCE
alike() { check "$1" "$difftree" compare "$2" "$3"; }
