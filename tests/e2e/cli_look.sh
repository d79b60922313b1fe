#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# diff, ls, cat, check, stat: a layer looked at at rest and while it is mounted.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse
need python3

cd "$scratch" || exit 99
mkdir -p low/dir/sub low/gone mnt
for f in edit meta rm mv both; do echo "$f" >low/dir/$f; done
ln -s dir/edit low/link
ln -s /../../dir low/outside
mnt mnt -o lowerdir=low,upperdir=up
(
	cd mnt || exit
	echo more >>dir/edit
	chmod 600 dir/meta
	rm dir/rm
	mv dir/mv moved
	mv dir/both dir/both2 && echo more >>dir/both2
	rm -r gone
	mkdir new
	echo n >new/file
	mv dir/sub sub2
	echo q >"$(printf 'quo"te\nline')"
	echo u >"$(printf 'by\xfftes')"
	mknod device c 7 8
)
expected='R dir/both -> dir/both2
M dir/both2
M dir/edit
m dir/meta
D dir/rm
D gone/
R dir/mv -> moved
A new/
A new/file
R dir/sub/ -> sub2/
A "quo\"te\nline"
A device'
sorted() { LC_ALL=C sort; }
# Directories whose times alone changed are left out: dir/ and the root.
live=$("$VENEER" diff up | grep -v '^m .*/$' | grep -av 'by.*tes')
is "$(sorted <<<"$live")" "$(sorted <<<"$expected")" 'diff while mounted'
check 'diff --json is JSON' sh -c "'$VENEER' diff --json up | python3 -m json.tool"
is "$("$VENEER" diff --json up | python3 -c '
import json, sys
for o in json.load(sys.stdin):
    if o["path"] == "dir/both2": print(o["change"], o["old_path"], o["modified"], o["type"])
    if "path_hex" in o: print(o["path_hex"])')" "$(printf '6279ff746573\nrenamed dir/both True file')" 'with every detail'
is "$("$VENEER" ls up)" "$(ls mnt | sed 's/^quo.*/"quo\\"te\\nline"/; /^line$/d')" 'ls while mounted' || true
unmnt mnt

is "$("$VENEER" diff up | grep -v '^m .*/$' | grep -av 'by.*tes')" "$live" 'diff at rest is the same'
is "$("$VENEER" ls up dir)" $'both2\nedit\nmeta' 'ls of a directory'
is "$("$VENEER" ls up link)" link 'ls of a file'
like "$("$VENEER" ls -l up dir/edit)" '^-rw-r--r-- +1 +0 +0 +10 .* dir/edit$' 'ls -l'
like "$("$VENEER" ls -l up | grep link)" 'link -> dir/edit$' 'ls -l shows where a link leads'
like "$("$VENEER" ls -l up | grep device)" '^crw.* 7, +8 ' 'and the numbers of a device'
like "$("$VENEER" ls -d up dir)" '^dir$' 'ls -d'
check 'ls --json is JSON' sh -c "'$VENEER' ls --json up | python3 -m json.tool"
is "$("$VENEER" cat up dir/edit /new/file moved)" $'edit\nmore\nn\nmv' 'cat'
is "$("$VENEER" cat up link)" $'edit\nmore' 'cat follows links'
is "$("$VENEER" cat up outside/edit)" $'edit\nmore' 'which never lead out of the tree'
is "$("$VENEER" cat up new/../../../dir/meta)" meta 'nor does ..'
is "$("$VENEER" check up)" 'up is clean' 'check'
is "$("$VENEER" check --json up | python3 -c 'import json,sys; print(json.load(sys.stdin)["clean"])')" True 'check --json'
check 'a write error is an error' exit_is 1 sh -c "'$VENEER' ls -l up >/dev/full"

# Lowers that somebody has changed.
cp -a low saved
rm low/dir/meta
out=$("$VENEER" check up 2>/dev/null)
is "$? $out" "1 'dir/meta', which the layer changes, is missing now in the lower directories" 'check finds what is gone below'
echo >low/dir/meta
out=$("$VENEER" check up 2>/dev/null)
is "$? $out" "1 'dir/meta', which the layer changes, is shorter now in the lower directories" 'and what is shorter'
rm -r low && mv saved low

# Lowers that have moved.
mv low low2
check_fails 'moved lowers are missed' "$VENEER" diff up
is "$("$VENEER" diff --lower low2 up | grep -v '^m .*/$' | grep -av 'by.*tes')" "$live" '--lower tells where they are'

# stat.
mv low2 low
mnt mnt -o lowerdir=low,upperdir=up
ls -l mnt/dir >/dev/null
json() { python3 -c "import json,sys; o = json.load(sys.stdin); print($1)"; }
check 'stat counts messages' [ "$("$VENEER" stat --json mnt | json 'sum(o["messages"].values())')" -gt 3 ]
is "$("$VENEER" stat --json up | json 'o["upper"]')" "$scratch/up" 'the upper is another name for the server'
like "$("$VENEER" stat mnt)" 'READDIRPLUS +[0-9]' 'stat as text'
for _ in 1 2 3; do ls -l mnt/dir >/dev/null; done
"$VENEER" stat --reset mnt >/dev/null
ls -l mnt/dir >/dev/null
# ls asks once whether there are security labels; the kernel does not remember the answer. It forgets when it likes.
check 'a warm ls -l sends nothing but the question for a label' \
	[ "$("$VENEER" stat --json up | json 'sum(n for m, n in o["messages"].items() if "FORGET" not in m) - min(1, o["messages"].get("GETXATTR", 0))')" -eq 0 ]
unmnt mnt
check 'no server, no stat' eventually 30 not "$VENEER" stat up
finish
