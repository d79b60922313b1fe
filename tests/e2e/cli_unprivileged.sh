#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Without privilege: as nobody, in a user namespace and through fusermount3.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse
need setpriv unshare fusermount3

chmod 755 "$scratch"
cd "$scratch" || exit 99
install -d -o nobody -g nogroup home home/mnt home/low home/tmp
echo mine >home/low/mine
echo old >home/low/old
chown nobody:nogroup home/low/*
echo root >home/low/roots
cd home || exit 99
as_nobody() { TMPDIR=$scratch/home/tmp timeout 120 setpriv --reuid nobody --regid nogroup --clear-groups "$@" </dev/null; }
as_nobody test -x "$VENEER" || skip_all 'nobody cannot reach the program'

dev_fuse 600
out=$(as_nobody "$VENEER" mount -o lowerdir=low,upperdir=up mnt 2>&1)
is $? 1 '/dev/fuse is closed to users: exit 1'
like "$out" '/dev/fuse.*(chmod|root)' 'said with what to do'
check_fails 'nothing is made' test -e up
out=$(as_nobody "$VENEER" run -l / -u up -- true 2>&1)
is $? 1 'run: the same'
like "$out" '/dev/fuse' 'said'
check_fails 'nothing is made by it' test -e up

dev_fuse 666
as_nobody unshare -Ur true 2>/dev/null || skip 'user namespaces' 'not allowed here'
if as_nobody unshare -Ur true 2>/dev/null; then
	is "$(as_nobody "$VENEER" run -q -- id -un)" nobody 'run in a user namespace: one stays who one is'
	is "$(as_nobody "$VENEER" run -q -r -- id -u)" 0 'or becomes root'
	check 'own files can be changed' as_nobody "$VENEER" run -q -u up1 -- sh -c 'echo more >>low/mine && rm low/old && echo new >low/new'
	is "$(cat low/mine; ls low)" $'mine\nmine\nold\nroots' 'the machine is as it was'
	is "$(as_nobody "$VENEER" diff up1 | grep -v '/$')" "M ${scratch#/}/home/low/mine
A ${scratch#/}/home/low/new
D ${scratch#/}/home/low/old" 'the layer has the changes'
	check 'root in the view may write everywhere' as_nobody "$VENEER" run -q -r -- sh -c 'echo x >>/etc/passwd && rm /etc/hostname'
	if command -v newuidmap newgidmap >/dev/null && [ -e /etc/subuid ] && [ -e /etc/subgid ]; then
		# With ranges of identities, in a mount namespace where nobody has some.
		echo nobody:200000:65536 >"$scratch/ranges"
		ranges() { unshare -m sh -c 'mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && exec "$@"' "$scratch/ranges" "$@"; }
		is "$(ranges setpriv --reuid nobody --regid nogroup --clear-groups env TMPDIR="$PWD/tmp" "$VENEER" run -q -- \
			stat -c '%U:%G' /etc/passwd low/mine)" $'root:root\nnobody:nogroup' 'with ranges owners are shown as in the layers'
		check 'and root in the view can give files away' ranges setpriv --reuid nobody --regid nogroup --clear-groups \
			env TMPDIR="$PWD/tmp" "$VENEER" run -q -r -- sh -c 'chown daemon /etc/passwd && [ "$(stat -c %U /etc/passwd)" = daemon ]'
	else
		skip 'ranges of identities' 'needs newuidmap'
	fi
	out=$(as_nobody unshare -Urm sh -c "'$VENEER' mount -o lowerdir=low,upperdir=up2 mnt && echo x >mnt/x && cat mnt/mine mnt/x && umount mnt" 2>&1)
	is "$out" $'mine\nx' 'mount in a user namespace'
	check 'after which the layer is clean' eventually 30 as_nobody "$VENEER" check up2
fi

if [ -u "$(command -v fusermount3)" ]; then
	check 'mount through fusermount3' as_nobody "$VENEER" mount -o lowerdir=low,upperdir=up3 mnt
	mounts+=("$scratch/home/mnt")
	is "$(as_nobody cat mnt/mine)" mine 'it is live'
	check 'it can be written' as_nobody sh -c 'echo y >mnt/y'
	is "$(as_nobody stat -c '%U %n' mnt/mine mnt/roots)" $'nobody mnt/mine\nroot mnt/roots' 'owners are shown as in the layers'
	check 'and unmounted' as_nobody fusermount3 -u mnt
	is "$(eventually 15 as_nobody "$VENEER" cat up3 y; as_nobody "$VENEER" cat up3 y)" y 'the layer keeps the change'
	out=$(as_nobody "$VENEER" mount -o lowerdir=low,upperdir=up4,allow_other mnt 2>&1)
	if grep -q '^user_allow_other' /etc/fuse.conf 2>/dev/null; then
		skip 'allow_other' '/etc/fuse.conf allows it'
	else
		like "$out" 'user_allow_other.*/etc/fuse.conf|/etc/fuse.conf.*user_allow_other' 'allow_other says what it needs'
	fi
	check_fails 'and makes nothing' test -e up4
else
	skip 'fusermount3' 'not setuid here'
fi
finish
