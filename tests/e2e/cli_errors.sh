#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Everything that can be wrong with a command line is one sentence that names the
# thing, exit code 1 or 2, and nothing made or left mounted.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse

cd "$scratch" || exit 99
mkdir low low/in mnt used foreign
echo x >file
touch foreign/letter
mnt mnt -o lowerdir=low,upperdir=used
unmnt mnt
listing() { find . -path ./used -prune -o -print | sort; grep -c "$scratch/.* fuse.veneer " /proc/self/mountinfo; }
before=$(listing)

# refuse CODE ERE COMMAND...
refuse() {
	local code=$1 pattern=$2 out rc
	shift 2
	out=$(timeout 60 "$VENEER" "$@" 2>&1 >/dev/null </dev/null)
	rc=$?
	[ $rc -ne 124 ] && is_mounted mnt && umount mnt
	if [ $rc -eq "$code" ] && [ "$(wc -l <<<"$out")" -eq 1 ] && grep -Eq -- "$pattern" <<<"$out"; then
		ok "$* -> $out"
	else
		not_ok "$*" "exit $rc instead of $code: $out"
	fi
	is "$(listing)" "$before" 'nothing made, nothing mounted'
}

refuse 2 "'frobnicate' is no command" frobnicate
refuse 2 'command is missing'
refuse 2 "unknown option '--frob'" mount --frob mnt
refuse 2 "unknown option '-x'" mount -x mnt
refuse 2 'mount point is missing' mount -o lowerdir=low
refuse 2 'nothing to mount' mount mnt
refuse 2 'commit=soon' mount -o lowerdir=low,commit=soon mnt
refuse 2 'GUESTPATH' mount -o lowerdir=low --virtual x mnt
refuse 2 'one argument too many' mount -o lowerdir=low a b c
refuse 1 "'missing' does not exist" mount -o lowerdir=low:missing,upperdir=up mnt
refuse 1 "'file' is not a directory" mount -o lowerdir=file,upperdir=up mnt
refuse 1 "mount point 'nowhere' does not exist" mount -o lowerdir=low,upperdir=up nowhere
refuse 1 "mount point 'file' is not a directory" mount -o lowerdir=low,upperdir=up file
refuse 1 "'up/deeper/.*|'up/deeper' does not exist" mount -o lowerdir=low,upperdir=up/deeper/still mnt
refuse 1 "upper directory 'file' is not a directory" mount -o lowerdir=low,upperdir=file mnt
refuse 1 'foreign.*not a writable layer' mount -o lowerdir=low,upperdir=foreign mnt
refuse 1 'both' mount -o lowerdir=mnt,upperdir=mnt low
mkdir used/inside
refuse 1 'lies inside the upper' mount -o lowerdir=used/inside,upperdir=used mnt
refuse 1 'lies inside the upper' mount -o lowerdir=low,upperdir=used used/inside
rmdir used/inside
mkdir foreign/inside; before=$(listing)
refuse 1 'lies inside the upper' mount -o lowerdir=foreign/inside,upperdir=foreign mnt
rmdir foreign/inside; before=$(listing)
refuse 1 'missing' mount -o lowerdir=low,upperdir=up --virtual /v=missing mnt
refuse 1 "'low': Is a directory" mount -o lowerdir=low,upperdir=up --virtual /v=low mnt
refuse 1 'no writable layer yet' mount -o upperdir=mnt low
refuse 1 "'missing' does not exist" run -l missing true
refuse 1 'foreign' run -u foreign true
refuse 1 "upper directory '' does not exist" run -u '' true
refuse 1 'used' mount -o lowerdir=foreign,upperdir=used mnt
for c in diff check ls; do
	refuse 1 "'missing' does not exist" $c missing
	refuse 1 "foreign' is not a writable layer of veneer$" $c foreign
	refuse 1 'mnt.* is empty' $c mnt
	refuse 2 'name an upper' $c
done
refuse 1 'etc/nothing' cat used etc/nothing
refuse 1 'is a directory' cat used /in
refuse 1 'no server has' stat mnt
refuse 2 'name a mount point' stat
TMPDIR=/nonexistent refuse 1 'TMPDIR' run true

# A read-only and a full file system.
mkdir disk
mount -t tmpfs -o size=1m,ro tmpfs disk && mounts+=("$scratch/disk")
before=$(listing)
refuse 1 'read-only file system' mount -o lowerdir=low,upperdir=disk/up mnt
refuse 1 'read-only file system' run -u disk/up true
mount -o remount,rw disk
dd if=/dev/zero of=disk/fill bs=1k status=none 2>/dev/null
before=$(listing)
refuse 1 'disk/up.*(full|[Nn]o space)' mount -o lowerdir=low,upperdir=disk/up mnt
refuse 1 'disk/up.*(full|[Nn]o space)' run -l low -u disk/up true

# A layer that is in use names who has it.
unmnt disk
before=$(listing)
mnt_fg mnt -o lowerdir=low,upperdir=used
mkdir mnt2
for form in "mount -o lowerdir=low,upperdir=used mnt2" "run -l low -u used true"; do
	# shellcheck disable=SC2086
	out=$(timeout 60 "$VENEER" $form 2>&1)
	is $? 1 "$form: refused while another server has the layer"
	like "$out" "used.*$server" 'naming its process'
done
out=$(timeout 60 "$VENEER" mount -o lowerdir=used:low mnt2 2>&1)
is $? 1 'a layer in use cannot be a lower directory'
like "$out" 'used' 'and is named'
unmnt mnt
rmdir mnt2

# Without /dev/fuse, in a mount namespace that hides it.
hidden() { unshare -m sh -c 'mount -t tmpfs tmpfs /dev && exec "$@"' sh "$@"; }
out=$(hidden timeout 60 "$VENEER" mount -o lowerdir=low,upperdir=up mnt 2>&1)
is $? 1 'no /dev/fuse: exit 1'
like "$out" '/dev/fuse.*modprobe fuse' 'said with what to do'
check_fails 'nothing made' test -e up
finish
