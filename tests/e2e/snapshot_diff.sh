#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# veneer diff between snapshots and the present; ls, cat and mount of a snapshot.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse

cd "$scratch" || exit 99
mkdir -p low/dir/sub low/old low/big mnt snap
for f in keep edit chmod gone rename both link replace; do echo "$f" >low/$f; done
echo in >low/dir/sub/in; echo x >low/old/x; echo y >low/old/y
for i in $(seq 50); do echo "$i" >"low/big/$i"; done

d() { "$VENEER" diff "$@" 2>&1; }
mnt mnt -o lowerdir=low,upperdir=up
echo own >mnt/own; echo own2 >mnt/own2; mkdir mnt/made; echo m >mnt/made/m
check 'a snapshot' "$VENEER" snapshot up one
is "$(d up one)" '' 'nothing has changed since'
echo more >>mnt/edit; chmod 600 mnt/chmod; rm mnt/gone; mv mnt/rename mnt/renamed
mv mnt/both mnt/both2; echo more >>mnt/both2
ln mnt/link mnt/link2; echo new >mnt/.new; mv mnt/.new mnt/replace
mv mnt/dir mnt/moved; mv mnt/old/x mnt/x; rm -r mnt/old; rm mnt/big/7
echo more >>mnt/own; chmod 600 mnt/own2; mv mnt/made mnt/made2; setfattr -n user.k -v v mnt/keep
echo new >mnt/new; mkdir mnt/newdir; echo n >mnt/newdir/n
want='D big/7
R both -> both2
M both2
m chmod
M edit
D gone
m keep
A link2
R made/ -> made2/
R dir/ -> moved/
A new
A newdir/
A newdir/n
D old/
M own
m own2
R rename -> renamed
M replace
R old/x -> x'
is "$(d up one)" "$want" 'what changed since it, while mounted'
"$VENEER" snapshot up two >/dev/null
is "$(d up two)" '' 'a second one'
is "$(d up one two)" "$want" 'between the two'
is "$(d up two one | head -4)" 'A big/7
R both2 -> both
M both
m chmod' 'the other way round'
echo more >>mnt/moved/sub/in; mv mnt/moved mnt/again; rm mnt/new; mv mnt/made2 mnt/again/made; : >mnt/own2
echo m >>mnt/again/made/m
is "$(d up two)" 'R moved/ -> again/
R made2/ -> again/made/
M again/made/m
M again/sub/in
D new
M own2' 'in directories that moved'
like "$(d up one)" '^R dir/ -> again/$' 'over two steps: a directory'
like "$(d up one)" '^M again/sub/in$' 'over two steps: content'
is "$(d up one | grep new)" $'A newdir/\nA newdir/n' 'over two steps: made and removed again is nothing'
is "$("$VENEER" diff --json up two | python3 -c '
import json, sys
print(*[c["change"] + ":" + c["path"] for c in json.load(sys.stdin)])')" \
	'renamed:again renamed:again/made modified:again/made/m modified:again/sub/in deleted:new modified:own2' '--json'

is "$("$VENEER" cat --snapshot one up edit own dir/sub/in)" $'edit\nown\nin' 'cat --snapshot'
is "$("$VENEER" ls --snapshot=two up | tr '\n' ' ')" \
	'big both2 chmod edit keep link link2 made2 moved new newdir own own2 renamed replace x ' 'ls --snapshot'
mnt snap -o ro,upperdir=up,snapshot=one
is "$(cat snap/edit snap/own snap/gone snap/made/m; find snap | wc -l)" $'edit\nown\ngone\nm\n70' 'a snapshot is mounted beside its layer'
check_fails 'read-only' touch snap/x
unmnt snap
live=$(d up one)
unmnt mnt
is "$(d up one)" "$live" 'the same at rest'
mnt snap -o ro,upperdir=up,snapshot=two
is "$(cat snap/moved/sub/in snap/new)" $'in\nnew' 'mounted at rest'
unmnt snap
is "$(d up nothing)" "veneer: $scratch/up has no snapshot named nothing; \`veneer log\` lists them" 'an unknown name'
like "$("$VENEER" mount -o upperdir=up,snapshot=one snap 2>&1)" 'read-only' 'snapshot= wants ro'
was=$(d up two)
check 'the older one is deleted' eventually 30 "$VENEER" snapshot --delete up one
is "$(d up two)" "$was" 'a deletion below changes nothing'
check 'the layer is clean' eventually 30 "$VENEER" check up

# What was written before a snapshot and got no bytes since; what came and went.
mnt mnt -o lowerdir=low,upperdir=over
echo more >>mnt/edit; echo more >>mnt/rename; chmod 600 mnt/chmod; ln mnt/edit mnt/edit2; mkdir mnt/own; echo c >mnt/own/came; echo c >mnt/came
"$VENEER" snapshot over one >/dev/null
chmod 600 mnt/edit; mv mnt/rename mnt/renamed; mv mnt/chmod mnt/chmod2
"$VENEER" snapshot over two >/dev/null
mv mnt/renamed mnt/again; mv mnt/keep mnt/kept; rm mnt/own/came mnt/came mnt/gone
is "$(d over)" $'R rename -> again\nM again\nR chmod -> chmod2\nm chmod2\nM edit\nA edit2\nD gone\nR keep -> kept\nA own/' \
	'content that was changed before a snapshot has changed'
unmnt mnt

# Names: links that move, lower files with several names, what takes a name, what moved out of what was removed.
for f in far first into; do mkdir low/$f; done
for f in one two three four five six; do echo $f >low/$f; done
ln low/five low/far/five; echo v >low/first/v; echo w >low/into/w; echo sub >low/dir/sub/too
mnt mnt -o lowerdir=low,upperdir=names
"$VENEER" snapshot names zero >/dev/null
ln mnt/one mnt/one2; mv mnt/one mnt/one3
ln mnt/two mnt/two2; mv -T mnt/two2 mnt/three
echo more >>mnt/five; rm mnt/five
ln mnt/four mnt/four2; rm mnt/four
mv mnt/first mnt/into/; rm mnt/into/first/v
mv mnt/dir/sub/in mnt/six; rm -r mnt/dir
ln mnt/keep mnt/keep2; echo more >>mnt/keep
"$VENEER" snapshot names last >/dev/null
want='D dir/
M far/five
D five
R first/ -> into/first/
D first/v
R four -> four2
M keep
A keep2
R one -> ONE
A OTHER
R dir/sub/in -> six
M three'
# Which of the two new names is the old one's is not said.
n() { d names "$@" | sed -E 's/^(R one -> |A )one[23]$/\1ONE/; s/^A ONE$/A OTHER/' | sort; }
is "$(n)" "$(sort <<<"$want")" 'names since the lowers'
is "$(n zero)" "$(sort <<<"$want")" 'names between two snapshots'
is "$(d names last zero | grep -v one)" $'A dir/\nA dir/sub/\nR six -> dir/sub/in\nA dir/sub/too\nM far/five\nR into/first/ -> first/\nA first/v
A five\nR four2 -> four\nM keep\nD keep2\nA six\nM three' 'and back: with what is in a directory that is there again'
mv mnt/into mnt/onto; echo more >>mnt/onto/w; mkdir mnt/onto/made; echo m >mnt/onto/made/m
is "$(d names last)" $'R into/ -> onto/\nA onto/made/\nA onto/made/m\nM onto/w' 'in a moved directory'
"$VENEER" snapshot names moved >/dev/null
is "$(d names moved last)" $'R onto/ -> into/\nM into/w\nD onto/made/' 'back: where it was, removed with its directory'
unmnt mnt
finish
