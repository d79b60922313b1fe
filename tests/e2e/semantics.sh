# SPDX-License-Identifier: Apache-2.0
# The promises of doc/semantics.md over a mount: on 1, 3 and 120 lowers, on a fresh upper and after a remount; on the
# three with a kept view of them.
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
	cache=
	if [ "$n" = 3 ]; then
		check 'a view of three lowers is kept' "$VENEER" index -l "$scratch/3/0" -l "$scratch/3/1" -l "$scratch/3/2" -c "$scratch/cache"
		cache=,basecache=$scratch/cache
	fi
	mnt "$scratch/mnt" -o "lowerdir=$(lowers "$n"),upperdir=$scratch/upper$n$cache"
	try fresh "$n"
	unmnt "$scratch/mnt"
	check "the upper is clean ($n lowers)" "$VENEER" check "$scratch/upper$n"
	mnt "$scratch/mnt" -o "lowerdir=$(lowers "$n"),upperdir=$scratch/upper$n$cache"
	try again "$n"
	unmnt "$scratch/mnt"
	check "and so it is after the remount ($n lowers)" "$VENEER" check "$scratch/upper$n"
done

# V1 to V4 over a mount: a program and a file above the layers, live counters.
mkdir "$scratch/v" "$scratch/v/dir"
echo below >"$scratch/v/init.krun"
printf '#!/bin/sh\necho started\n' >"$scratch/init"
echo deep >"$scratch/deep"
mnt "$scratch/mnt" -o "lowerdir=$scratch/v,upperdir=$scratch/vupper,stats" \
	--virtual "/init.krun=$scratch/init:0755" --virtual "/dir/sub/deep=$scratch/deep"
cd "$scratch/mnt" || bail 'entering the mount'
is "$(./init.krun)" started 'V4 a virtual file can be executed'
is "$(ls -A | tr '\n' ' ')" '.veneer dir init.krun ' 'V1 virtual names are listed once'
is "$(cat dir/sub/deep)" deep 'V1 missing directories on the way appear'
check_fails 'V2 it cannot be removed' rm init.krun
check_fails 'V2 nor written' sh -c 'echo x >init.krun'
check_fails 'V2 nor renamed over' sh -c 'touch new && mv new init.krun'
check_fails 'V2 nor its directory moved' mv dir other
check_fails 'V2 nor linked' ln init.krun hard
like "$(cat .veneer/stats)" '"LOOKUP": [0-9]+' 'the counters can be read as a file'
check 'V2 rm -rf ends' sh -c 'timeout 120 rm -rf ./* 2>/dev/null; test -e init.krun'
cd /
unmnt "$scratch/mnt"
is "$("$VENEER" diff "$scratch/vupper" | grep -c krun)" 0 'V3 a virtual file is in no layer'
mnt "$scratch/mnt" -o "lowerdir=$scratch/v,upperdir=$scratch/vupper"
is "$(cat "$scratch/mnt/init.krun")" below 'V3 what a layer has under its name is kept'
unmnt "$scratch/mnt"
finish
