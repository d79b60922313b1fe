#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Debian root from debootstrap, in five layers with whiteouts and an opaque directory between them, is a guest's
# root: it runs its own programs from /init.krun, installs a package, changes files of every layer. What the guest
# sees of its root is then what the host sees, object by object, and `veneer diff` tells what it did.
. "$(dirname "$0")/lib.sh"
vm_need
vm_need_init
vm_need_serve
need_fuse
tar=$(dirname "$VENEER")/tests/e2e/cache/debian.tar
why=$("$vm_dir/../e2e/debian_cache" "$tar") || {
	diag 'NO DEBIAN ROOT: no guest runs the programs of a distribution.' "$why"
	skip_all "no Debian root: $why"
}

# --- the layers: 0 is what is not in the others; 3 has a program that 4 hides; 4 has whiteouts and replacements.
layers=$scratch/layers upper=$scratch/upper
mkdir -p "$layers"/{0,1,2,3,4} "$upper" "$scratch/mnt"
part() { # part LAYER [TAR-OPTION...] [--] MEMBER...
	local n=$1
	shift
	tar xpf "$tar" --xattrs --xattrs-include='*' --numeric-owner -C "$layers/$n" "$@" || bail "unpacking layer $n"
}
part 0 --exclude=./usr/share --exclude=./var --exclude=./etc
part 1 ./usr/share
part 2 ./var
part 3 ./etc
mkdir -p "$layers"/3/usr/local/bin "$layers"/4/{etc/apt/apt.conf.d,usr/local/bin,usr/share/doc,root,opt}
printf '#!/bin/sh\necho third\n' >"$layers/3/usr/local/bin/which-layer"
printf '#!/bin/sh\necho fourth\n' >"$layers/4/usr/local/bin/which-layer"
chmod 755 "$layers"/[34]/usr/local/bin/which-layer
mknod "$layers/4/etc/issue" c 0 0 && touch "$layers/4/usr/share/.wh.man" "$layers/4/usr/share/doc/.wh..wh..opq"
echo only >"$layers/4/usr/share/doc/only"
deb=$(cd "$layers/2/var/cache/apt/archives" 2>/dev/null && ls hello_*.deb) || bail 'the Debian root has no package to install'

# objects ROOT: what is on disk, but for what a running guest mounts, writes by itself, or has from the server.
cat >"$layers/4/usr/local/bin/objects" <<'END'
#!/bin/sh
cd "$1" || exit 1
find . -xdev \( -path ./dev -o -path ./proc -o -path ./sys -o -path ./tmp -o -path ./run -o -path ./init.krun \) -prune -o \
	\( -type f -printf '%p f %m %U:%G %n %s %T@\n' -o -type l -printf '%p l %U:%G %l\n' -o -printf '%p %y %m %U:%G\n' \) |
	LC_ALL=C sort
END
chmod 755 "$layers/4/usr/local/bin/objects"
cat >"$layers/4/root/case" <<END
deb=/var/cache/apt/archives/$deb
END
cat >>"$layers/4/root/case" <<'END'
exec 2>&1
export PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
say() { echo "say $*"; }
say layer "$(which-layer)"
say hidden "$([ -e /etc/issue ] || echo issue) $([ -e /usr/share/man ] || echo man) $(echo /usr/share/doc/*)"
say init "$(stat -c '%i %F %a' /init.krun) $(readlink /proc/1/exe) $(rm -f /init.krun || echo stays)"
. /etc/os-release && say system "$ID $VERSION_CODENAME"
say packages "$(dpkg-query -W -f '${Package}\n' | wc -l)"
say policy "$(apt-cache policy hello | grep -c Candidate)"
dpkg -i "$deb" >/tmp/dpkg.log || cat /tmp/dpkg.log
say hello "$(hello)"
say verify "$(dpkg --verify hello | grep -v /usr/share/man) $(dpkg-query -W -f '${Status}' hello)"
say perl "$(perl -e 'my %n; opendir my $d, "/usr/bin"; $n{$_}++ for readdir $d; print $n{"perl"}, " ", scalar(grep { $_ > 1 } values %n)')"
useradd -m guest && say user "$(id -u guest) $(stat -c %U /home/guest) $(su guest -c 'touch /home/guest/f && stat -c %U /home/guest/f')"
say own "$(su guest -c 'touch /etc/no' 2>&1 | grep -c denied)"
i=0; while [ $i -lt 200 ]; do echo $i >/srv/file$i; i=$((i + 1)); done
say sum "$(cat /srv/file* | sort -n | sha256sum | cut -c1-16)"
rm -rf /usr/share/zoneinfo && say removed "$([ -e /usr/share/zoneinfo ] || echo zoneinfo)"
mv /usr/share/perl5 /opt/moved && say moved "$(ls /opt/moved | wc -l) $([ -e /usr/share/perl5 ] || echo gone)"
echo more >>/etc/services.new && ln /etc/hostname /etc/hardlink && chmod 700 /var/backups && chown 7:8 /etc/group-
ln -s /etc/hostname /srv/link && mknod /srv/null c 1 3 && mkfifo /srv/pipe
tar cf - -C /etc . | tar tf - >/srv/listing && say tar "$(wc -l </srv/listing | awk '{print ($1 > 100)}')"
sync
say objects "$(objects / | sha256sum | cut -c1-16) $(objects / | wc -l)"
exit 23
END
chmod 644 "$layers/4/root/case"
sums() { (cd "$layers" && find . -printf '%p %y %m %U:%G %s %T@ %l\n' | sort | sha256sum); }
before=$(sums)
stack=lowerdir=$layers/4:$layers/3:$layers/2:$layers/1:$layers/0,upperdir=$upper

# --- the guest
vm_serve "$scratch/socket" tree -o "$stack" --init --log-level=info
vm_case <<'END'
run_root tree /init.krun
END
vm_append='VENEER_TMPFS="/tmp;/run" VENEER_CMD="sh /root/case"'
vm_run 240
is "$vm_report" 'VENEER-EXIT status=23' "the status of the guest's command"
like "$(cat "$scratch/serve.log")" "the guest's command ended with status 23" 'the server is told, too'
like "$("$VENEER" stat "$upper" 2>&1)" '^guest .*status 23' 'and shows it'
said() { sed -n "s/^say $1 //p" <<<"$vm_out"; }
is "$(said layer)" fourth 'the uppermost layer wins'
is "$(said hidden)" 'issue man /usr/share/doc/only' 'whiteouts of both kinds and an opaque directory hide'
is "$(said init)" '2 regular file 555 /init.krun stays' 'process 1 is the virtual file, and stays'
is "$(said system)" 'debian bookworm' 'the system is Debian'
[ "$(said packages)" -gt 60 ] 2>/dev/null && ok 'dpkg knows its packages' || not_ok 'dpkg knows its packages' "$(said packages)"
is "$(said policy)" 1 'apt reads its lists'
is "$(said hello)" 'Hello, world!' 'a package is installed and runs'
is "$(said verify)" ' install ok installed' 'dpkg finds no fault with it'
is "$(said perl)" '1 0' 'perl lists a directory, each name once'
is "$(said user)" '1000 guest guest' 'a user is added and owns its files'
is "$(said own)" 1 'and may not write elsewhere'
is "$(said sum)" "$(seq 0 199 | sha256sum | cut -c1-16)" 'what was written is read'
is "$(said removed)" zoneinfo 'a lower directory is removed'
is "$(said moved)" "$(ls "$layers/1/usr/share/perl5" | wc -l) gone" 'another is renamed'
is "$(said tar)" 1 'tar works in a pipe'
vm_serve_end

# --- the host
check 'the upper is whole' "$VENEER" check "$upper"
is "$(sums)" "$before" 'the layers are as they were'
mnt "$scratch/mnt" -o "$stack"
is "$(sh "$layers/4/usr/local/bin/objects" "$scratch/mnt" | sha256sum | cut -c1-16) $(sh "$layers/4/usr/local/bin/objects" "$scratch/mnt" | wc -l)" \
	"$(said objects)" 'the host sees what the guest saw, object by object'
is "$(chroot "$scratch/mnt" /usr/bin/hello 2>&1)" 'Hello, world!' 'and can run what the guest installed'
unmnt "$scratch/mnt"
"$VENEER" diff "$upper" >"$scratch/diff" 2>&1
like "$(cat "$scratch/diff")" '^A usr/bin/hello$' 'veneer diff shows the program'
like "$(cat "$scratch/diff")" '^R usr/share/perl5/ -> opt/moved/$' 'the rename'
like "$(cat "$scratch/diff")" '^D usr/share/zoneinfo' 'what was removed'
is "$(grep -c 'init.krun\|/objects$\|which-layer' "$scratch/diff")" 0 'and nothing that the guest did not do'
finish
