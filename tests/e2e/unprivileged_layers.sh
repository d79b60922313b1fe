#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A server without any privilege shows owners, modes, device nodes and trusted attributes as the layers have them,
# and keeps those that are made over it: through fusermount3, and in a user namespace.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
need setpriv unshare nsenter fusermount3 setfattr getfattr
treesum=$(dirname "$VENEER")/tests/e2e/treesum
[ -x "$treesum" ] || skip_all "needs $treesum"

chmod 755 "$scratch"
home=$scratch/home mnt=$scratch/home/mnt
install -d -o nobody -g nogroup "$home" "$mnt" "$home/tmp"
cd "$home" || exit 99
low=$home/low
mkdir -p "$low/dir" "$low/opaque"
echo one >"$low/dir/owned" && chown 1234:4321 "$low/dir/owned"
echo two >"$low/suid" && chown 5:6 "$low/suid" && chmod 4755 "$low/suid"
mknod "$low/block" b 7 200 && mknod "$low/null" c 1 3 && mkfifo "$low/pipe"
ln -s /somewhere "$low/link" && chown -h 77:88 "$low/link"
setfattr -n user.note -v lower "$low/dir/owned"
# What a rootless engine writes for owners and devices it may not make.
override() { setfattr -n user.containers.override_stat -v "$1" "$2"; }
override 0:0:0755:dir "$low" # as the root of such a layer has it: only then is it looked for on files
echo device >"$low/override" && override 11:22:0640:char-1-7 "$low/override"
touch "$low/.wh.hidden"

# with CAPABILITIES COMMAND...: as nobody, who has these capabilities.
with() {
	local caps=$1
	shift
	TMPDIR=$home/tmp timeout 120 setpriv --reuid nobody --regid nogroup --clear-groups \
		--inh-caps "$caps" --ambient-caps "$caps" "$@" </dev/null
}
as_nobody() { with -all "$@"; }
as_nobody test -x "$VENEER" || skip_all 'nobody cannot reach the program'
dev_fuse 666
# A server that has a capability would prove nothing.
plain_mount() {
	mounts+=("$mnt")
	check "$1" as_nobody "$VENEER" mount -o "${@:2}" mnt
	is_mounted "$mnt" || bail 'nothing is mounted'
}
plain_unmount() {
	local server
	server=$(server_of mnt as_nobody)
	as_nobody fusermount3 -u mnt
	eventually 30 not is_mounted "$mnt" || not_ok 'unmounting'
	eventually 15 has_ended "$server" || not_ok 'the server ends'
}
shown() { as_nobody stat -c '%n %F %a %u:%g %t:%T' "${@/#/mnt/}"; }

[ -u "$(command -v fusermount3)" ] || skip_all 'fusermount3 is not setuid here'
plain_mount 'mount through fusermount3' lowerdir=low,upperdir=up
wanted="mnt/dir/owned regular file 644 1234:4321 0:0
mnt/suid regular file 4755 5:6 0:0
mnt/block block special file 644 0:0 7:c8
mnt/null character special file 644 0:0 1:3
mnt/pipe fifo 644 0:0 0:0
mnt/link symbolic link 777 77:88 0:0
mnt/override character special file 640 11:22 1:7"
is "$(shown dir/owned suid block null pipe link override)" "$wanted" 'the layer is shown as it is'
is "$(as_nobody getfattr --only-values -n user.note mnt/dir/owned)" lower 'with its attributes'
check_fails 'markers are not shown' test -e mnt/.wh.hidden
is "$(as_nobody getfattr -d -m - mnt/override 2>&1)" '' 'nor is the override attribute'
check_fails 'what is not theirs stays so' as_nobody sh -c 'echo x >>mnt/dir/owned'
check_fails 'nobody cannot give files away' as_nobody chown 1:1 mnt/suid

# The kernel decides who may; the server, still without privilege, keeps what was decided.
check 'owners can be changed by who may' with +chown,+dac_override,+fowner,+fsetid chown 21:22 mnt/dir/owned
check 'a new owner for a new file' with +chown,+dac_override,+fowner,+fsetid sh -c 'echo x >mnt/dir/new && chown 31:32 mnt/dir/new && chmod 2711 mnt/dir/new'
check 'device nodes can be made by who may' with +mknod,+dac_override mknod mnt/dir/zero c 1 5
check 'trusted attributes can be set by who may' with +sys_admin,+dac_override setfattr -n trusted.note -v secret mnt/suid
check 'security attributes too' with +sys_admin,+dac_override,+setfcap setfattr -n security.note -v label mnt/suid
made="mnt/dir/owned regular file 644 21:22 0:0
mnt/dir/new regular file 2711 31:32 0:0
mnt/dir/zero character special file 644 65534:65534 1:5
mnt/suid regular file 4755 5:6 0:0"
is "$(shown dir/owned dir/new dir/zero suid)" "$made" 'all of it is shown'
sum() { with +sys_admin,+dac_override,+dac_read_search "$treesum" -f tornisxmc "$mnt"; }
sum >"$scratch/before"
plain_unmount
is "$(find up -xdev ! -user nobody | wc -l)" 0 'on the host everything belongs to nobody'
is "$(find up -type c -o -type b | wc -l)" 0 'and there is no device'
check 'the layer is clean' eventually 30 as_nobody "$VENEER" check up
plain_mount 'mounted again' upperdir=up
is "$(shown dir/owned dir/new dir/zero suid)" "$made" 'all of it is kept'
is "$(with +sys_admin getfattr --only-values -n trusted.note mnt/suid)" secret 'trusted attributes too'
check_fails 'which nobody does not see' as_nobody getfattr -n trusted.note mnt/suid
sum >"$scratch/after"
check 'the tree is as it was left' diff "$scratch/before" "$scratch/after"
plain_unmount

# A layer that a root server made, given to nobody: what is in its index needs no privilege to be shown.
mounts+=("$mnt")
"$VENEER" mount -o lowerdir=low,upperdir=roots mnt || bail 'mounting as root'
{ mknod mnt/tty c 5 0 && setfattr -n trusted.root -v made mnt/suid && chown 99:98 mnt/link -h; } || not_ok 'changes by root'
unmnt "$mnt"
eventually 30 "$VENEER" check roots || not_ok 'the layer is clean'
chown -R nobody:nogroup roots
plain_mount "root's layer is mounted by nobody" upperdir=roots
is "$(shown tty link)" 'mnt/tty character special file 644 0:0 5:0
mnt/link symbolic link 777 99:98 0:0' 'owners and devices of the index are shown'
is "$(with +sys_admin getfattr --only-values -n trusted.root mnt/suid)" made 'trusted attributes of the index too'
plain_unmount

# In a user namespace with a range of ids, as rootless containers have it: the server sees the layer through the
# namespace, and so do those who use it.
as_nobody unshare -Ur true 2>/dev/null || {
	skip 'in a user namespace' 'not allowed here'
	finish
}
chown -R nobody:nogroup up && rm -rf up
mkdir low2 && echo a >low2/a && echo b >low2/b && echo c >low2/c
chown 200000:200000 low2 low2/a && chown 200007:200008 low2/b && chown 200500:200500 low2/c
echo device >low2/dev && override 3:4:0600:block-8-1 low2/dev && override 0:0:0755:dir low2 && chown 200000:200000 low2/dev
install -d -o 200000 -g 200000 spaced spaced/mnt
background setpriv --reuid nobody --regid nogroup --clear-groups unshare -Um --kill-child sleep 600
holder=$!
ready() { [ "$(readlink "/proc/$holder/ns/user")" != "$(readlink /proc/self/ns/user)" ]; }
eventually 30 ready || bail 'making a user namespace'
echo deny >"/proc/$holder/setgroups" 2>/dev/null
{ echo '0 200000 65536' >"/proc/$holder/uid_map" && echo '0 200000 65536' >"/proc/$holder/gid_map"; } ||
	bail 'mapping ids into the namespace'
inside() { timeout 120 nsenter -t "$holder" -U -m -S 0 -G 0 env TMPDIR=/tmp sh -c 'cd "$0" && exec "$@"' "$home" "$@" </dev/null; }
check 'mount in a user namespace' inside "$VENEER" mount -o lowerdir=low2,upperdir=spaced/up spaced/mnt
is "$(inside stat -c '%n %F %a %u:%g %t:%T' spaced/mnt/{a,b,c,dev})" 'spaced/mnt/a regular file 644 0:0 0:0
spaced/mnt/b regular file 644 7:8 0:0
spaced/mnt/c regular file 644 500:500 0:0
spaced/mnt/dev block special file 600 3:4 8:1' 'owners are those of the namespace, devices are shown'
check 'chown to any of them' inside chown 1000:1001 spaced/mnt/b
check 'suid and sgid bits' inside sh -c 'echo x >spaced/mnt/s && chown 12:13 spaced/mnt/s && chmod 6755 spaced/mnt/s'
is "$(inside stat -c '%a %u:%g' spaced/mnt/b spaced/mnt/s)" '644 1000:1001
6755 12:13' 'they are kept'
# unmount_inside NAME: there, and waits for the end of the server, which still removes files of its own.
unmount_inside() {
	local server
	server=$(server_of spaced/mnt inside)
	check "$1" inside umount spaced/mnt
	eventually 15 has_ended "$server" || not_ok 'the server ends'
}
unmount_inside 'unmount there'
check 'the layer is clean' eventually 30 inside "$VENEER" check spaced/up
check 'mount it there again' inside "$VENEER" mount -o upperdir=spaced/up spaced/mnt
is "$(inside stat -c '%a %u:%g' spaced/mnt/b spaced/mnt/s)" '644 1000:1001
6755 12:13' 'after a remount too'
unmount_inside 'and unmount'
is "$(find spaced/up ! -uid 200000 | wc -l)" 0 'on the host everything belongs to the root of the namespace'
finish
