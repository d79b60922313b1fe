#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# veneer mount: forms of the command line, what is live when it returns, what is left after.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse

cd "$scratch" || exit 99
mkdir low1 low2 mnt
echo one >low1/a; echo two >low2/a; echo b >low2/b

mnt mnt -o lowerdir=low1:low2,upperdir=up,workdir=ignored
is "$(cat mnt/a mnt/b)" $'one\nb' 'the first lower is the topmost'
echo c >mnt/c
is "$(stat -c %a up)" 700 'the upper was made, for its owner only'
unmnt mnt
is "$(ls low1 low2)" $'low1:\na\n\nlow2:\na\nb' 'the lowers are as they were'
mnt mnt -o lowerdir=low1:low2,upperdir=up
is "$(cat mnt/c)" c 'changes are there after a remount at once'
unmnt mnt
mnt mnt -o upperdir=up
is "$(cat mnt/a mnt/c)" $'one\nc' 'an upper knows what it stands on'
unmnt mnt

mnt mnt -o lowerdir=low1:low2
is "$(cat mnt/a)" one 'without an upper'
check_fails 'the tree is read-only' touch mnt/x
unmnt mnt
mnt mnt -o lowerdir=low1:low2,upperdir=up,ro
is "$(cat mnt/c)" c 'ro shows the upper'
check_fails 'and changes nothing' touch mnt/x
unmnt mnt

# An upper as a layer.
mnt mnt -o lowerdir=up:low1:low2,upperdir=up2
is "$(cat mnt/a mnt/c)" $'one\nc' 'an upper can be a layer'
echo d >mnt/d
rm mnt/c
unmnt mnt
mnt mnt -o lowerdir=up:low1:low2
check 'it is unchanged' test -e mnt/c
unmnt mnt

# Other ways to be called.
check 'as container engines do' "$VENEER" -o lowerdir=low1:low2,upperdir=up mnt
is "$(cat mnt/c)" c 'it is live'
unmnt mnt
check 'as mount(8) does' "$VENEER" veneer "$scratch/mnt" -o rw,lowerdir=low1:low2,upperdir=up,dev,suid
is "$(awk -v m="$scratch/mnt" '$2 == m {print $1, $3}' /proc/mounts)" 'veneer fuse.veneer' 'source and type are shown'
unmnt mnt
ln -s "$VENEER" mount.fuse.veneer
check 'as mount.fuse.veneer' ./mount.fuse.veneer source "$scratch/mnt" -o "lowerdir=$scratch/low1,fsname=the/source" -n -v
is "$(awk -v m="$scratch/mnt" '$2 == m {print $1}' /proc/mounts)" the/source 'fsname= is shown'
unmnt mnt

# mount(8) itself, in a mount namespace where the program is installed.
if [ -x /sbin/mount.fuse ]; then
	installed() { unshare -m sh -c 'mount -t tmpfs tmpfs /usr/local/bin && ln -s "$0" /usr/local/bin/veneer && eval "$1"' "$VENEER" "$1"; }
	is "$(installed "mount -t fuse.veneer -o lowerdir=$scratch/low1,upperdir=$scratch/up7,noatime,nodev veneer mnt &&
		cat mnt/a && echo x >mnt/x && grep -o 'nodev,noatime' /proc/mounts && umount mnt" 2>&1)" $'one\nnodev,noatime' 'mount -t fuse.veneer'
	check_fails 'its failure is told' installed "mount -t fuse.veneer -o lowerdir=$scratch/missing veneer mnt"
	is "$(eventually 30 "$VENEER" cat up7 x && "$VENEER" cat up7 x)" x 'the layer is there'
else
	skip 'mount -t fuse.veneer' 'needs /sbin/mount.fuse'
fi

# Paths with everything in them.
mkdir 'lo:w,er\x' && echo odd >'lo:w,er\x/f'
mnt mnt -o 'lowerdir=lo\:w\,er\\x:low1,upperdir=u\,p'
is "$(cat mnt/f)" odd 'escapes'
unmnt mnt
check 'an escaped upper' test -d u,p

# Options that mean nothing.
out=$("$VENEER" mount -o lowerdir=low1,upperdir=up3,xino=on,frobnicate,threaded=1 mnt 2>&1)
is "$out" 'veneer: unknown option ignored: frobnicate
veneer: without a meaning here: xino, threaded' 'are said once'
unmnt mnt

# Virtual files.
echo hello >hello
mnt mnt -o lowerdir=low1,upperdir=up4 --virtual /deep/down/hello=hello --virtual /a=hello:600
is "$(cat mnt/deep/down/hello mnt/a; stat -c %a mnt/a)" $'hello\nhello\n600' 'virtual files stand above every layer'
check_fails 'they cannot be removed' rm -f mnt/a
unmnt mnt

# Squash.
mnt mnt -o lowerdir=low1,upperdir=up5,squash_to_uid=1234,squash_to_gid=4321
is "$(stat -c %u:%g mnt/a)" 1234:4321 'squash_to_uid and squash_to_gid'
unmnt mnt

# The end of the server.
mnt_fg mnt -o lowerdir=low1,upperdir=up6
echo x >mnt/x
kill -TERM "$server"
wait "$server"
is $? 0 'SIGTERM ends the server'
check_fails 'and unmounts' is_mounted mnt
check 'leaving a clean layer' eventually 30 "$VENEER" check up6
is "$("$VENEER" cat up6 x)" x 'with everything in it'
mnt_fg mnt -o lowerdir=low1,upperdir=up6
kill -9 "$server"
wait "$server" 2>/dev/null
out=$("$VENEER" mount -o lowerdir=low1,upperdir=up6 mnt 2>&1)
is "$? $out" "1 veneer: a mount whose server has died lies on 'mnt': take it away with umount first" 'a killed server is told from a live one'
umount mnt
mnt mnt -o lowerdir=low1,upperdir=up6
check 'remounted to be read' "$VENEER" mount -o remount,ro,nosuid mnt
check_fails 'it cannot be written' touch mnt/again
check 'remounted to be written' "$VENEER" -o remount,rw mnt
check 'it can be written' touch mnt/again
like "$("$VENEER" mount -o remount,ro low1 2>&1)" "^veneer: nothing is mounted on 'low1'" 'what is no mount cannot be remounted'
cd mnt && umount -l . && cd ..
check 'a detached mount ends once nobody is in it' eventually 30 "$VENEER" mount -o lowerdir=low1,upperdir=up6 mnt
mounts+=("$scratch/mnt")
unmnt mnt
finish
