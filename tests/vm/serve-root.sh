#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tree is the guest's root: the host's own / below, a layer with whiteouts above it, the init program from the
# virtual file /init.krun; the guest runs its own programs, and the host sees none of it.
. "$(dirname "$0")/lib.sh"
vm_need
vm_need_init
vm_need_serve
[ -e /usr/share/base-files/motd ] || skip_all 'needs a Debian host: its / is what the guest runs on'

layer=$scratch/layer upper=$scratch/upper
mkdir -p "$layer/etc/apt" "$upper"
mknod "$layer/etc/hostname" c 0 0
touch "$layer/etc/apt/.wh..wh..opq" && echo '# none' >"$layer/etc/apt/sources.list"
echo 'from the layer' >"$layer/etc/veneer-layer"
vm_serve "$scratch/socket" tree -o "lowerdir=$layer:/,upperdir=$upper" --init
vm_case <<'END'
run_root tree /init.krun
END
vm_append='VENEER_TMPFS="/tmp;/run" VENEER_CMD="bash /etc/veneer-guest"'
cat >"$layer/etc/veneer-guest" <<'END'
exec 2>&1
cat /etc/veneer-layer
[ -e /etc/hostname ] || echo 'hostname is hidden'
ls /etc/apt
stat -c '%i %F %a' /init.krun
rm -f /init.krun || echo 'init cannot be removed'
for i in {1..50}; do echo $i >/var/tmp/veneer-$i; done
find /var/tmp -name 'veneer-*' | xargs sha256sum | wc -l
sort -n /var/tmp/veneer-* | tail -n 1
useradd veneer-guest 2>/dev/null || echo 'veneer-guest:x:4711:4711::/:/bin/sh' >>/etc/passwd
id -un $(id -u veneer-guest)
perl -e 'print "perl ", 6 * 7, "\n"'
rm -rf /usr/share/doc/bash && [ ! -e /usr/share/doc/bash ] && echo 'a lower directory is removed'
mv /usr/share/base-files /usr/share/moved && [ -e /usr/share/moved/motd ] && echo 'another is renamed'
exit 17
END
vm_run 240
is "$vm_report" 'VENEER-EXIT status=17' "the status of the guest's command"
like "$vm_out" '^from the layer$' 'a file of the upper layer'
like "$vm_out" '^hostname is hidden$' 'a whiteout'
is "$(sed -n '/hidden/,/regular/p' <<<"$vm_out" | sed '1d;$d')" sources.list 'an opaque directory'
like "$vm_out" '^2 regular file' 'the init program is virtual file 2'
like "$vm_out" '^init cannot be removed$' 'and stays'
like "$vm_out" '^50$' 'the guest makes files'
like "$vm_out" '^veneer-guest$' 'adds a user'
like "$vm_out" '^perl 42$' 'runs an interpreter'
like "$vm_out" '^a lower directory is removed$' 'removes a directory of the host'
like "$vm_out" '^another is renamed$' 'renames another'
vm_serve_end
check 'the upper is whole' "$VENEER" check "$upper"
check_fails 'the host has no such user' id veneer-guest
check_fails 'nor such files' ls /var/tmp/veneer-1
check 'and its directories are where they were' ls /usr/share/base-files/motd
finish
