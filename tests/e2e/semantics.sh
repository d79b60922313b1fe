# SPDX-License-Identifier: Apache-2.0
# The promises of doc/semantics.md over a mount: on 1, 3 and 120 lowers, on a fresh upper and after a remount.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
promises=${top_builddir:-.}/tests/semantics/promises
[ -x "$promises" ] || skip_all "needs $promises"

# stack N: N lowers whose merged tree is the same whatever N is. The last holds it; the others hide what those
# below them have under names that no promise looks for, or have a part of it.
stack() {
	local n=$1 i dir=$scratch/$1
	mkdir "$dir"
	for ((i = 0; i < n; i++)); do mkdir "$dir/$i"; done
	"$promises" below "$dir/$((n - 1))" >"$scratch/below" || bail "filling a lower: $(cat "$scratch/below")"
	[ "$n" -gt 1 ] || return 0
	local p=N1_layers_alone_decide_what_is_untouched
	mkdir "$dir/0/$p" "$dir/0/$p/opaque" "$dir/1/$p"
	cp -a "$dir/$((n - 1))/$p/opaque/over" "$dir/0/$p/opaque/over"
	touch "$dir/0/$p/opaque/.wh..wh..opq" "$dir/0/$p/.wh.hidden" "$dir/$((n - 1))/$p/opaque/under"
	echo hidden >"$dir/1/$p/hidden"
	for ((i = 0; i < n - 1; i++)); do
		mkdir "$dir/$i/N8_a_moved_directory_keeps_its_children" "$dir/$i/N8_a_moved_directory_keeps_its_children/d"
		mkdir "$dir/$i/unrelated$i"
	done
	chmod -R --reference="$dir/$((n - 1))" "$dir/0/$p"
}
lowers() { local i list=$scratch/$1/0; for ((i = 1; i < $1; i++)); do list+=:$scratch/$1/$i; done; echo "$list"; }

# try PHASE N: TAP lines of the program, numbered here.
try() {
	local line
	"$promises" "$1" "$scratch/mnt" >"$scratch/tap" 2>&1 </dev/null
	while IFS= read -r line; do
		case $line in
		'ok '*) ok "${line#ok } ($2 lowers)" ;;
		'not ok '*) not_ok "${line#not ok } ($2 lowers)" ;;
		*) diag "$line" ;;
		esac
	done <"$scratch/tap"
	grep -q '^ok' "$scratch/tap" || not_ok "promises, $1 ($2 lowers)"
}

mkdir "$scratch/mnt"
for n in 1 3 120; do
	stack "$n"
	mnt "$scratch/mnt" -o "lowerdir=$(lowers "$n"),upperdir=$scratch/upper$n"
	try fresh "$n"
	unmnt "$scratch/mnt"
	check "the upper is clean ($n lowers)" "$VENEER" check "$scratch/upper$n"
	mnt "$scratch/mnt" -o "lowerdir=$(lowers "$n"),upperdir=$scratch/upper$n"
	try again "$n"
	unmnt "$scratch/mnt"
	check "and so it is after the remount ($n lowers)" "$VENEER" check "$scratch/upper$n"
done
finish
