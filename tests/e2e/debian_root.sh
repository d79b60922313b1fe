#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Debian root in four layers with whiteouts and opaque directories between them: packages are installed in it, a
# repository is cloned, a program built, a tree removed, a large directory renamed. After a remount all is as it
# was left, and the layers are as they were. The root is made by debootstrap, once per build directory.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
need git tar unshare
build=$(dirname "$VENEER")
treesum=$build/tests/e2e/treesum
[ -x "$treesum" ] || skip_all "needs $treesum"
grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || skip_all 'needs kernel overlayfs to make layers'
why=$("$(dirname "$0")/debian_cache" "$build/tests/e2e/cache/debian.tar") || {
	diag 'NO DEBIAN ROOT: the most important test of real input does not run.' "$why"
	skip_all "no Debian root: $why"
}

layers=$scratch/layers mnt=$scratch/mnt
mkdir -p "$layers"/{0,1,2,3} "$scratch"/{work1,work2,made} "$mnt"
tar xpf "$build/tests/e2e/cache/debian.tar" --xattrs --xattrs-include='*' --numeric-owner -C "$layers/0" || bail 'unpacking'

# in_root DIR COMMAND...: in a process namespace of its own, so that nothing is left running.
in_root() {
	local dir=$1
	shift
	timeout -k 10 1200 unshare --mount --pid --fork --kill-child sh -c \
		'mount -t proc proc "$0/proc" && exec chroot "$0" /usr/bin/env -i HOME=/root \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"' "$dir" "$@" </dev/null
}
apt_install() { in_root "$1" apt-get -q install -y --no-download --no-install-recommends "${@:2}"; }

# layer N LOWERDIRS COMMAND...: a layer made by what the command does in kernel overlayfs.
layer() {
	local n=$1 lowers=$2
	shift 2
	mounts+=("$scratch/made")
	(cd "$layers" && mount -t overlay overlay \
		-o "lowerdir=$lowers,upperdir=$n,workdir=$scratch/work$n" "$scratch/made") || bail 'kernel overlayfs'
	"$@" "$scratch/made" >"$scratch/layer.log" 2>&1 || bail "layer $n: $(tail -n 20 "$scratch/layer.log")"
	unmnt "$scratch/made"
}
tools() { apt_install "$1" make tcc libc6-dev; }
changes() {
	local root=$1 i
	rm -rf "$root/usr/share/doc" "$root/usr/share/man" && rm "$root/etc/issue" "$root/bin/pidof" &&
		mkdir "$root/usr/share/doc" && echo only >"$root/usr/share/doc/only" &&
		mv "$root/usr/share/base-files/motd" "$root/etc/motd.moved" &&
		mkdir -p "$root/srv/thousand" "$root/opt/product/old" && echo old >"$root/opt/product/old/file" || return
	for ((i = 0; i < 1000; i++)); do echo "$i" >"$root/srv/thousand/file$i"; done
	ln "$root/srv/thousand/file1" "$root/srv/thousand/hardlink"
	mknod "$root/srv/device" c 1 7 && mkfifo "$root/srv/pipe" && chown 123:456 "$root/srv/pipe"
	setfattr -n user.note -v kept "$root/srv/thousand" && setfattr -n trusted.note -v kept "$root/srv/thousand/file2"
	project "$root/srv/repo"
}
# A repository with a small C program.
project() (
	mkdir -p "$1/src" && cd "$1" || return
	for i in 1 2 3 4 5 6 7 8 9; do printf 'int part%d(void)\n{\n\treturn %d;\n}\n' $i $i >"src/part$i.c"; done
	{
		echo '#include <stdio.h>'
		for i in 1 2 3 4 5 6 7 8 9; do echo "int part$i(void);"; done
		echo 'int main(void) { printf("%d\n", 0'
		for i in 1 2 3 4 5 6 7 8 9; do echo " + part$i()"; done
		echo '); return 0; }'
	} >src/main.c
	printf 'CC = tcc\nobjects = $(patsubst %%.c,%%.o,$(wildcard src/*.c))\nsum: $(objects)\n\t$(CC) -o $@ $(objects)\n' >Makefile
	git init -q -b main && git add . &&
		git -c user.name=t -c user.email=t@t -c gc.auto=0 commit -q -m project && git repack -q -a -d
)
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
layer 1 0 tools
layer 2 1:0 changes
# The topmost one as an image's layer has it, with marker files.
mkdir -p "$layers/3/opt/product" "$layers/3/usr/share" "$layers/3/etc"
touch "$layers/3/opt/product/.wh..wh..opq" "$layers/3/usr/share/.wh.base-files"
echo new >"$layers/3/opt/product/file"
diag "layers of $(for i in 0 1 2 3; do find "$layers/$i" | wc -l; done | tr '\n' ' ')objects," \
	"$(find "$layers"/[123] -type c ! -name device | wc -l) whiteouts," \
	"$(getfattr -R -h -m trusted.overlay.opaque "$layers"/[123] 2>/dev/null | grep -c opaque) opaque directories"
for i in 0 1 2 3; do "$treesum" -f tornisdxmcb "$layers/$i"; done >"$scratch/layers.before"

# The merged view is what kernel overlayfs shows.
mounts+=("$scratch/made")
(cd "$layers" && mount -t overlay overlay -o lowerdir=2:1:0 "$scratch/made")
"$treesum" -f torsdxmk "$scratch/made" >"$scratch/kernel"
unmnt "$scratch/made"
mnt "$mnt" -o "lowerdir=$layers/2:$layers/1:$layers/0"
"$treesum" -f torsdxmk "$mnt" >"$scratch/veneer"
unmnt "$mnt"
check 'the merged tree is that of kernel overlayfs' diff "$scratch/kernel" "$scratch/veneer"

mnt "$mnt" -o "lowerdir=$layers/3:$layers/2:$layers/1:$layers/0,upperdir=$scratch/upper"
is "$(cat "$mnt/opt/product/"*; ls "$mnt/usr/share/doc" "$mnt/usr/share/base-files" 2>/dev/null)" "new
$mnt/usr/share/doc:
only" 'marker files hide what is below'
check 'apt-get install of real packages' apt_install "$mnt" hello git
is "$(in_root "$mnt" hello)" 'Hello, world!' 'what was installed runs'
check 'dpkg finds no fault with them' in_root "$mnt" dpkg --verify hello git
check 'git clone of a local repository' in_root "$mnt" git clone -q /srv/repo /root/clone
check 'a build with make' in_root "$mnt" make -s -C /root/clone
is "$(in_root "$mnt" /root/clone/sum)" 45 'what was built runs'
is "$(in_root "$mnt" git -C /root/clone status --porcelain --ignored | sort | head -n 2)" '?? src/main.o
?? src/part1.o' 'git sees what the build made'
check 'rm -rf of a lower tree' in_root "$mnt" rm -rf /usr/share/zoneinfo
check_fails 'it is gone' test -e "$mnt/usr/share/zoneinfo"
check 'a lower directory of a thousand files is renamed' python3 -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' \
	"$mnt/srv/thousand" "$mnt/root/renamed"
is "$(ls "$mnt/root/renamed" | wc -l) $(cat "$mnt/root/renamed/file999")" '1001 999' 'with all that is in it'
check 'files of many kinds are changed' in_root "$mnt" sh -c 'chown -R 7:8 /etc/apt && chmod 700 /usr/share/perl5 &&
	echo more >>/etc/passwd && ln /etc/hostname /etc/hardlink && echo x >>/root/renamed/hardlink &&
	mknod /root/null c 1 3 && truncate -s 100 /etc/services && rm /etc/debian_version'
is "$(cat "$mnt/root/renamed/file1")" $'1\nx' 'hard links below stay linked'

state() { "$treesum" -f tornisdxmc "$mnt"; }
check 'everything can be read' state
state >"$scratch/before"
unmnt "$mnt"
check 'veneer check is clean' eventually 60 "$VENEER" check "$scratch/upper"
mnt "$mnt" -o "lowerdir=$layers/3:$layers/2:$layers/1:$layers/0,upperdir=$scratch/upper"
state >"$scratch/after"
check 'after a remount everything is as it was left' diff "$scratch/before" "$scratch/after"
diag "$(wc -l <"$scratch/after") objects with type, owner, mode, device, links, inode, size, data, attributes, times"
is "$(in_root "$mnt" hello) $(in_root "$mnt" /root/clone/sum)" 'Hello, world! 45' 'it still runs'
unmnt "$mnt"
eventually 30 "$VENEER" check "$scratch/upper"
"$VENEER" diff "$scratch/upper" >"$scratch/diff"
like "$(cat "$scratch/diff")" '^R srv/thousand/ -> root/renamed/$' 'veneer diff shows the rename'
is "$(grep -c '^[AMDm] root/renamed/.' "$scratch/diff")" 1 'and below it only what changed'
is "$(grep -c '^D usr/share/zoneinfo' "$scratch/diff")" 1 'and the removed tree as one line'
for i in 0 1 2 3; do "$treesum" -f tornisdxmcb "$layers/$i"; done >"$scratch/layers.after"
check 'the layers are bit for bit as they were, with times' diff "$scratch/layers.before" "$scratch/layers.after"
finish
