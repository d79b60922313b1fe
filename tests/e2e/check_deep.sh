#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check --record and --deep as a user has them, and changed lowers noticed by a server.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse
need python3

cd "$scratch" || exit 99
mkdir -p a/etc a/bin b/usr/share mnt
echo password >a/etc/passwd
echo shell >a/bin/sh
ln -s sh a/bin/bash
mkfifo a/pipe
mknod a/dev c 1 3
echo lib >b/usr/lib
echo readme >b/usr/share/readme
mnt mnt -o lowerdir=a:b,upperdir=up
echo more >>mnt/etc/passwd
chmod 600 mnt/usr/share/readme
head -c 300000 /dev/zero | tr '\0' x >mnt/big
unmnt mnt

# What a command prints, its notes and all, and its exit code.
both() { "$@" 2>&1 </dev/null; echo "exit $?"; }
deep() { both "$VENEER" check --deep up; }

like "$(deep)" 'no record.*check --record up' 'without a record it tells how to make one'
like "$(deep)" '^exit 0$' 'and that nothing is newer than the layer'
cp -a b saved
rm b/usr/share/readme
like "$(deep)" "^'usr/share/readme', which the layer changes, is missing" 'a file that the layer reads below is missed'
rm -r b
mv saved b
find up/data -type f -exec touch -d '-1 hour' {} +
like "$(both "$VENEER" check --record up)" '^recorded [0-9]+ objects' 'a record is made'
like "$(deep)" 'are as they were recorded' 'and all is as recorded'
is "$("$VENEER" check --deep --quiet up 2>&1)" '' '--quiet says nothing'
is "$(stat -c %a up/record)" 600 'the record is private'

# Changes, each undone by the copy that was put aside.
cp -a a a.saved
cp -a b b.saved
echo Password >a/etc/passwd
touch -r a.saved/etc/passwd a/etc/passwd
chmod 700 a/bin/sh
ln -sf dash a/bin/bash
rm b/usr/lib
echo new >"$(printf 'b/usr/share/esc\033[2Jape')"
out=$(deep)
like "$out" "^'etc/passwd' of lower '.*/a' has other contents" 'contents'
like "$out" "^'bin/sh' of lower '.*/a' has mode 0700 instead of 0644" 'mode'
like "$out" "^'bin/bash' of lower '.*/a' has another target" 'target of a symlink'
like "$out" "^'usr/lib' of lower '.*/b' is missing" 'missing'
like "$out" '^"usr/share/esc\\033\[2Jape" of lower .*/b. was added' 'added, and nothing is sent to the terminal'
like "$out" 'up has 5 problems: put the lower directories back .*check --record up' 'five problems, and what to do'
like "$out" '^exit 1$' 'exit 1'
is "$("$VENEER" check --deep --json up 2>/dev/null | python3 -c '
import json, sys
o = json.load(sys.stdin)
for d in o["deep"]["differences"]:
    print(d["place"], d["path"].replace("\33", "ESC"), ",".join(d["differs"]), d.get("was", {}).get("mode"))' | sort)" \
	"$(printf '%s\n' 'lower bin/bash contents,size,mtime 0777' 'lower bin/sh mode 0644' 'lower etc/passwd contents 0644' \
		'lower usr/lib missing 0644' 'lower usr/share/escESC[2Jape added None')" '--json has every detail'
rm -r a b
mv a.saved a
mv b.saved b
like "$(deep)" 'are as they were recorded' 'put back from a faithful copy, all is as recorded'

# A data file that rots: other bytes, the same size and time.
f=$(find up/data -type f -size +200k)
was=$(stat -c %y "$f")
printf Y | dd of="$f" bs=1 seek=12345 conv=notrunc status=none
touch -d "$was" "$f"
like "$(deep)" "^data file '.*', which holds 'big', has other bytes than when it was recorded" 'a data file that rots is named with its file'
printf x | dd of="$f" bs=1 seek=12345 conv=notrunc status=none
touch -d "$was" "$f"
like "$(deep)" '^exit 0$' 'and it is well again'

# The record itself.
cp up/record whole
printf Z | dd of=up/record bs=1 seek=300 conv=notrunc status=none
like "$(deep)" "'record' in the upper directory, is damaged: make a new one" 'a damaged record is named'
mnt mnt -o lowerdir=a:b,upperdir=up
check 'and keeps nobody from mounting' cat mnt/big
unmnt mnt
mv whole up/record

# A change in a root directory: refused, explained, accepted.
touch a/new
check_fails 'a lower with a new name in its root is refused' "$VENEER" mount -o lowerdir=a:b,upperdir=up mnt
like "$(both "$VENEER" mount -o lowerdir=a:b,upperdir=up mnt)" 'check --deep' 'with a hint'
like "$(deep)" "^'new' of lower '.*/a' was added" 'check --deep says what it is'
check 'check --record accepts it' "$VENEER" check --record up
mnt_fg mnt -o lowerdir=a:b,upperdir=up
check 'and it is mounted' test -e mnt/new

# While it is served.
changed() { "$VENEER" stat --json up | python3 -c 'import json,sys; print(json.load(sys.stdin)["cache"]["changed_lowers"])'; }
ls mnt mnt/usr >/dev/null
is "$(changed)" 0 'nothing has changed'
like "$(deep)" 'is being served: the data files that are being written to were left out' 'check --deep while it is served'
like "$(both "$VENEER" check --record up)" '^recorded' 'check --record while it is served'
unmnt mnt
wait "$server"
like "$(deep)" '^exit 0$' 'the record that was made while it was served will do'

touch b/usr/share/later
mnt_fg mnt -o lowerdir=a:b,upperdir=up
ls mnt mnt/usr mnt/etc >/dev/null
is "$(changed)" 0 'a change is not looked for'
check 'but the mount goes on when one is met' ls mnt/usr/share
check 'it is counted' [ "$(changed)" -ge 1 ]
like "$(cat server.log)" "directory '/usr/share' of the lower '.*/b' has changed .*check --deep" 'and logged'
unmnt mnt
wait "$server"
mnt_fg mnt -o lowerdir=a:b,upperdir=up,accept_changed_lowers
ls mnt/usr/share >/dev/null
is "$(cat server.log)" '' 'who accepts changes is not told'
unmnt mnt
wait "$server"

# A kept view shows what was there when it was made.
check 'a record of what is there now' "$VENEER" check --record up
check 'a kept view' "$VENEER" index up
like "$(deep)" '^exit 0$' 'a kept view that is right'
ticked() { touch probe && [ probe -nt "$(find up/base -name '*.base')" ]; } # file times move in steps of some milliseconds
eventually 10 ticked
touch b/usr/share/latest
out=$(deep)
like "$out" "^the kept view 'base/.*' in the upper directory is older than the newest change" 'one that is older than a change is named'
like "$out" "^'usr/share/latest' of lower '.*/b' was added" 'with the change'
check 'accepting the change' "$VENEER" check --record up
is "$(find up/base -name '*.base' | wc -l)" 0 'removes it'
mnt mnt -o lowerdir=a:b,upperdir=up
check 'so the change shows' test -e mnt/usr/share/latest
unmnt mnt

# Another user namespace shows other owners.
if unshare --user --map-root-user true 2>/dev/null; then
	check 'a new record' "$VENEER" check --record up
	out=$(both unshare --user --map-root-user "$VENEER" check --deep up)
	like "$out" '^exit 0$' 'owners that only look different do not count'
	like "$out" 'made by another user: owners or trusted attributes were not compared' 'which is said'
else
	skip 'another user namespace' 'cannot make one'
fi
finish
