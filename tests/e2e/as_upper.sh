# SPDX-License-Identifier: Apache-2.0
# A tree of ours serves as the upper directory of kernel overlayfs, and as that of another veneer.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || skip_all 'needs kernel overlayfs'
cd "$scratch" || exit 99
mkdir outer outer/dir low mnt inner work
echo below >low/file
echo gone >low/gone
mkdir low/dir low/dir/sub low/moved
echo deep >low/dir/sub/deep
mnt mnt -o lowerdir=outer,upperdir=layer
mkdir mnt/upper mnt/work

# What a guest's own overlay does: whiteouts as 0:0 devices, trusted attributes, RENAME_WHITEOUT, O_TMPFILE.
inner() {
	mounts+=("$scratch/inner")
	mount -t overlay overlay -o "lowerdir=low,upperdir=mnt/upper,workdir=mnt/work,redirect_dir=on,index=off" inner
}
check 'kernel overlayfs takes it as its upper' inner
is "$(cat inner/file)" below 'the inner lower shows'
check 'files are copied up into it' sh -c 'echo more >>inner/file'
check 'removed' rm inner/gone
check 'replaced' sh -c 'rm -r inner/dir && mkdir inner/dir && echo new >inner/dir/new'
check 'renamed' mv inner/moved inner/other
check 'and linked' ln inner/file inner/hard
is "$(stat -c '%F %t:%T' mnt/upper/gone)" 'character special file 0:0' 'its whiteout is a device in our tree'
is "$(getfattr --only-values -n trusted.overlay.opaque mnt/upper/dir 2>/dev/null)" y 'its opaque mark an attribute'
unmnt inner
unmnt mnt
check 'the layer is clean' eventually 30 "$VENEER" check layer
mnt mnt -o upperdir=layer
check 'after a remount of both' inner
is "$(cat inner/file)" $'below\nmore' 'the contents are there'
is "$(ls inner | tr '\n' ' ')" 'dir file hard other ' 'and the names'
is "$(ls inner/dir)" new 'the replaced directory is fresh'
unmnt inner

mkdir mnt/layers second
mnt second -o "lowerdir=low,upperdir=mnt/layers/u"
check 'another veneer has its layer in it' sh -c 'echo x >second/file && rm second/gone && mv second/dir second/d2'
unmnt second
mnt second -o "lowerdir=low,upperdir=mnt/layers/u"
is "$(cat second/file; ls second | tr '\n' ' ')" $'x\nd2 file moved ' 'and finds it again'
unmnt second
unmnt mnt
finish
