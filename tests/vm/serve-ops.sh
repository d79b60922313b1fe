#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A guest mounts the tree by its tag and does every kind of operation in it; the host then finds the same
# tree in the upper, whole, and the lowers as they were.
. "$(dirname "$0")/lib.sh"
vm_need
vm_need_serve

top=$scratch/top low=$scratch/low upper=$scratch/upper
mkdir -p "$top/opaque" "$low"/{opaque,olddir/sub,rmdir/deep,keep} "$upper"
echo low >"$low/over" && echo top >"$top/over"
echo gone >"$low/hidden" && mknod "$top/hidden" c 0 0
echo old >"$low/opaque/old" && echo new >"$top/opaque/new" && touch "$top/opaque/.wh..wh..opq"
for i in $(seq 20); do echo "$i" >"$low/olddir/f$i" && echo "$i" >"$low/rmdir/deep/f$i"; done
head -c 3000000 /dev/urandom >"$low/big" && big=$(md5sum <"$low/big" | cut -d' ' -f1)
cp "$busybox" "$low/keep/busybox"
echo text >"$low/text" && ln "$low/text" "$low/text2" && ln -s over "$low/link"
lowers() { (cd "$scratch" && find top low -printf '%p %y %m %U %G %s %T@ %l\n' && find top low -type f -exec md5sum {} +) | sort; }
before=$(lowers)

vm_serve "$scratch/socket" tree -o "lowerdir=$top:$low,upperdir=$upper"
vm_case <<'END'
mount_share tree /mnt && cd /mnt || vm_exit 1
# same NAME GOT WANTED
same() { [ "$2" = "$3" ] && echo "good $1" || echo "BAD $1: got '$2' wanted '$3'"; }
# yes NAME COMMAND..., no NAME COMMAND...
yes() { name=$1; shift; "$@" >/tmp/o 2>&1 && echo "good $name" || echo "BAD $name: $(cat /tmp/o)"; }
no() { name=$1; shift; "$@" >/tmp/o 2>&1 && echo "BAD $name: succeeded" || echo "good $name"; }

same 'the top layer wins' "$(cat over)" top
no 'a whiteout hides' ls hidden
same 'an opaque directory hides' "$(ls opaque)" new
same 'the listing' "$(ls | tr '\n' ' ')" 'big keep link olddir opaque over rmdir text text2 '
same 'a symlink of a layer' "$(readlink link) $(cat link)" 'over top'
same 'a big file of a layer' "$(md5sum <big | cut -d' ' -f1)" "$(cat /tmp/big)"
yes 'a program of a layer runs' keep/busybox true

echo made >new; same 'create' "$(cat new)" made
no 'create over it exclusively' sh -C -c 'echo x >new'
echo more >>text; same 'append to a lower file' "$(cat text | tr '\n' ' ')" 'text more '
same 'its hard link shows it' "$(cat text2 | tr '\n' ' ') $(stat -c %h text)" 'text more  2'
echo x >over; same 'overwrite' "$(cat over)" x
printf END | dd of=big bs=1 seek=1000000 conv=notrunc 2>/dev/null
same 'write into a big file' "$(dd if=big bs=1 skip=999999 count=5 2>/dev/null | tail -c 4 | head -c 3) $(stat -c %s big)" 'END 3000000'
truncate -s 2000000 big; same 'truncate' "$(stat -c %s big)" 2000000
truncate -s 2100000 big; same 'and extend: zeros' "$(tail -c 100000 big | tr -d '\0' | wc -c)" 0
dd if=/dev/zero of=sparse bs=1 count=1 seek=50000000 2>/dev/null
same 'a sparse file' "$(stat -c %s sparse) $([ "$(stat -c %b sparse)" -lt 1000 ] && echo few)" '50000001 few'
fallocate -l 200000 alloc 2>/dev/null; same 'fallocate' "$(stat -c %s alloc)" 200000
mkdir -p dir/a/b; yes 'mkdir' [ -d dir/a/b ]
no 'mkdir again' mkdir dir/a
no 'rmdir of a directory that is not empty' rmdir dir/a
rmdir dir/a/b; no 'rmdir' [ -e dir/a/b ]
mv new dir/moved; same 'rename' "$(cat dir/moved)" made
mv olddir newdir; same 'rename a lower directory' "$(cat newdir/f7) $(ls newdir | wc -l)" '7 21'
no 'its old name' ls olddir
mv newdir/f1 newdir/f2; same 'rename over a file' "$(cat newdir/f2) $(ls newdir | wc -l)" '1 20'
rm -r rmdir; no 'remove a lower tree' ls rmdir
mkdir rmdir; same 'make it again: empty' "$(ls rmdir)" ''
rm over; no 'remove a file of two layers' ls over
ln -s over over; no 'a symlink to itself' cat over
ln dir/moved hard; same 'link' "$(stat -c %h hard) $(cat hard)" '2 made'
rm dir/moved; same 'unlink one of two' "$(stat -c %h hard)" 1
chown 12:34 hard; chmod 2750 hard; same 'chmod, chown' "$(stat -c '%a %u:%g' hard)" '2750 12:34'
chmod 4711 keep/busybox; same 'chmod of a lower file' "$(stat -c %a keep/busybox)" 4711
touch -d '2001-02-03 04:05:06' hard; same 'times' "$(stat -c %Y hard)" 981173106
mkfifo fifo; mknod node c 1 3; same 'special files' "$(stat -c %F fifo node | tr '\n' ' ')" 'fifo character special file '
echo x >node; same 'a device works' "$?" 0
long=$(printf '%0255d' 0); echo l >"$long"; same 'a name of 255 bytes' "$(cat "$long")" l
no 'a name of 256 bytes' touch "0$long"
echo open >held; exec 3<held; rm held; echo other >held
same 'an open file outlives its name' "$(cat <&3)" open; exec 3<&-
i=0; while [ $i -lt 300 ]; do : >"dir/n$i"; i=$((i + 1)); done
same 'a directory of 300 entries' "$(ls dir | wc -l)" 301
rm dir/n*9; same 'and of fewer' "$(ls dir | wc -l)" 271
cp -a newdir copy; same 'copy a tree' "$(cd newdir && md5sum f* | md5sum)" "$(cd copy && md5sum f* | md5sum)"
tar cf t.tar newdir && mkdir un && tar xf t.tar -C un; yes 'tar and untar' diff -r newdir un/newdir
yes 'statfs' df /mnt
yes 'sync' sync
umount /mnt 2>/dev/null; cd /; yes 'unmount' umount /mnt
yes 'mount again' mount_share tree /mnt; cd /mnt
same 'what was made is there' "$(cat held) $(cat newdir/f7)" 'other 7'
echo SUMS
find . -type f ! -name sparse | sort | while read -r f; do md5sum "$f"; done
echo STATS
find . | sort | while read -r f; do stat -c '%n %a %u:%g %h %Y' "$f"; done
cd / && umount /mnt
END
# The guest has the sum of the big file beside its part.
mkdir -p "$scratch/more/tmp" && echo "$big" >"$scratch/more/tmp/big"
vm_pack "$scratch/more" "$scratch/more.cpio" && cat "$scratch/more.cpio" >>"$scratch/initrd"
vm_run 240
vm_ok 'the guest does every kind of operation'
while read -r verdict name; do
	case $verdict in
	good) ok "guest: $name" ;;
	BAD) not_ok "guest: ${name%%:*}" "$name" ;;
	esac
done <<<"$vm_out"
vm_serve_end

check 'the upper is whole' "$VENEER" check "$upper"
is "$(lowers)" "$before" 'the lowers are as they were'
mkdir "$scratch/mnt"
mnt "$scratch/mnt" -o "lowerdir=$top:$low,upperdir=$upper"
sums=$(cd "$scratch/mnt" && find . -type f ! -name sparse | sort | while read -r f; do md5sum "$f"; done)
stats=$(cd "$scratch/mnt" && find . | sort | while read -r f; do stat -c '%n %a %u:%g %h %Y' "$f"; done)
is "$sums" "$(sed -n '/^SUMS$/,/^STATS$/p' <<<"$vm_out" | sed '1d;$d')" 'the host mounts the same contents'
is "$stats" "$(sed -n '/^STATS$/,$p' <<<"$vm_out" | sed 1d)" 'and the same modes, owners, links and times'
unmnt "$scratch/mnt"
finish
