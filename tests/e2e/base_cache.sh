# SPDX-License-Identifier: Apache-2.0
# A kept view of the lowers: made beside a mount or by the command, used by the next mount, shared, and given up when it is wrong.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
mnt=$scratch/mnt cache=$scratch/cache
mkdir "$mnt" "$scratch/out"
mkdir -p "$scratch"/{a,b,c}/d/sub "$scratch/b/only"
echo a >"$scratch/a/d/name"
echo b >"$scratch/b/d/name"
echo c >"$scratch/c/d/low"
touch "$scratch/a/d/.wh.gone" "$scratch/c/d/gone"
ln "$scratch/c/d/low" "$scratch/c/d/sub/link"
ln -s d/name "$scratch/b/symlink"
lowers=lowerdir=$scratch/a:$scratch/b:$scratch/c

show() { (cd "$mnt" && find . -printf '%p %i %y %m %n %s %t %l\n' | sort); }
in_use() { "$VENEER" stat --json "$mnt" | grep -q '"kept_view": 1'; }
not_in_use() { ! in_use; }
views() { find "$1" -name '*.base' 2>/dev/null | wc -l; }
one_view() { [ "$(views "$1")" = 1 ]; }

# A mount makes it for the next one.
mnt "$mnt" -o "$lowers,nobasecache"
show >"$scratch/out/without"
unmnt "$mnt"
mnt "$mnt" -o "$lowers,basecache=$cache"
check 'the first mount reads the lowers' not_in_use
check 'a view is made beside it' eventually 240 one_view "$cache"
show >"$scratch/out/first"
unmnt "$mnt"
mnt "$mnt" -o "$lowers,basecache=$cache"
check 'the second mount uses it' in_use
show >"$scratch/out/second"
is "$(cat "$mnt/d/name" "$mnt/d/low" "$mnt/symlink")" "a
c
a" 'and reads files'
unmnt "$mnt"
check 'the same is shown without one' diff "$scratch/out/without" "$scratch/out/first"
check 'and with one' diff "$scratch/out/without" "$scratch/out/second"

# Uppers share it; what is written over it stays.
for u in one two; do
	mnt "$mnt" -o "$lowers,upperdir=$scratch/$u,basecache=$cache"
	check "upper $u uses it" in_use
	check "upper $u is written" sh -c 'cd "$0" && echo new >d/low && mv d moved && rm symlink && chmod 600 moved/name' "$mnt"
	show >"$scratch/out/$u"
	unmnt "$mnt"
	mnt "$mnt" -o "upperdir=$scratch/$u,nobasecache"
	check "upper $u without a view" not_in_use
	show >"$scratch/out/$u.again"
	is "$(cat "$mnt/moved/name" "$mnt/moved/low" "$mnt/moved/sub/link")" "a
new
new" "upper $u shows the same"
	unmnt "$mnt"
	check "upper $u has the same inodes" diff "$scratch/out/$u" "$scratch/out/$u.again"
	check "upper $u is clean" eventually 30 "$VENEER" check "$scratch/$u"
done
check 'there is one view' one_view "$cache"
mnt "$mnt" -o "ro,upperdir=$scratch/two,basecache"
check 'in an upper that is only looked at none is made' test ! -e "$scratch/two/base"
unmnt "$mnt"

# By the command, in the upper; a fork has it, too.
check 'the command makes one in an upper' "$VENEER" index "$scratch/one"
like "$("$VENEER" index "$scratch/one")" already 'and says when there is one'
like "$("$VENEER" index --json -l "$scratch/a" -c "$scratch/json")" '"directories": 3' 'and tells in JSON what it made'
mnt "$mnt" -o "upperdir=$scratch/one"
check 'the upper uses it without an option' in_use
unmnt "$mnt"
check 'a fork is made' "$VENEER" fork "$scratch/one" "$scratch/fork"
mnt "$mnt" -o "upperdir=$scratch/fork"
check 'a fork uses it' in_use
is "$(cat "$mnt/moved/low")" new 'the fork reads'
unmnt "$mnt"
check 'without an upper it wants a directory' exit_is 1 "$VENEER" mount -o "$lowers,basecache" "$mnt"

# A lower that changed.
echo changed >"$scratch/c/d/new"
echo longer >>"$scratch/b/d/name"
echo d >"$scratch/a/top"
mnt "$mnt" -o "$lowers,basecache=$cache"
check 'a view of lowers that changed is not used' not_in_use
is "$(cat "$mnt/top" "$mnt/d/new")" "d
changed" 'what changed is seen'
check 'another one is made' eventually 240 sh -c '[ "$(ls "$0"/*.base | wc -l)" = 2 ]' "$cache"
unmnt "$mnt"

# A server in its sandbox sees the lowers as the command does.
"$VENEER" serve --socket "$scratch/socket" -o "$lowers,basecache=$scratch/served" >"$scratch/out/serve" 2>&1 </dev/null &
pids+=($!)
check 'a server makes one, too' eventually 240 one_view "$scratch/served"
kill $! && wait $! 2>/dev/null
like "$("$VENEER" index -l "$scratch/a" -l "$scratch/b" -l "$scratch/c" -c "$scratch/served")" already 'and it is the one that others use'

# Unmounting does not wait for one that is being made.
mkdir -p "$scratch/wide/d"
(cd "$scratch/wide/d" && seq 1 20000 | xargs touch)
mnt "$mnt" -o "lowerdir=$scratch/wide,basecache=$scratch/wide.cache"
unmnt "$mnt"
check 'nothing half made is left' sh -c '! ls "$0" | grep -q new' "$scratch/wide.cache"
finish
