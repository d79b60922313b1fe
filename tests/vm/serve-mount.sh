#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One server, a guest and a mount of the same tree at once: the mount sees the guest's changes at once, the guest
# sees the mount's within its timeout.
. "$(dirname "$0")/lib.sh"
vm_need
vm_need_serve
need_fuse
"$VENEER" serve --help 2>&1 | grep -q -e --also-mount || skip_all 'needs veneer serve --also-mount'

low=$scratch/low upper=$scratch/upper mnt=$scratch/mnt
mkdir -p "$low/d" "$upper" "$mnt" && echo low >"$low/d/file" && echo gone >"$low/d/gone"
mounts+=("$mnt")
vm_serve "$scratch/socket" tree -o "lowerdir=$low,upperdir=$upper" --also-mount="$mnt"
eventually 30 is_mounted "$mnt" || bail "nothing is mounted: $(cat "$scratch/serve.log")"
vm_case <<'END'
mount_share tree /mnt && cd /mnt/d || vm_exit 1
# until COMMAND...: for the guest's timeout, generously.
within() { i=0; until "$@" 2>/dev/null; do i=$((i + 1)); [ $i -lt 600 ] || return 1; sleep 0.1; done; }
has() { [ "$(cat "$1")" = "$2" ]; }
absent() { ! [ -e "$1" ]; }
cat file gone; ls no >/dev/null 2>&1
echo guest >file; echo made >from-guest; mkdir dir; rm gone
echo changed
host changed
within has from-host host && echo 'a new file'
within has file mount && echo 'a changed file'
within absent from-guest && echo 'a removed file'
within has moved/inner inner && echo 'a renamed directory'
END
cat "$mnt/d/file" "$mnt/d/gone" >/dev/null; ls "$mnt/d/from-guest" "$mnt/d" >/dev/null 2>&1
vm_start
vm_saw '^changed$' 120
# What the host's kernel is told has a thread of its own: it may come a moment later.
contents() { cat "$mnt/d/file" "$mnt/d/from-guest" 2>&1 | tr '\n' ' '; }
names() { ls "$mnt/d" | tr '\n' ' '; }
come() { [ "$(contents)" = 'guest made ' ] && [ "$(names)" = 'dir file from-guest ' ]; }
eventually 20 come
is "$(contents)" 'guest made ' 'the mount sees what the guest wrote'
is "$(names)" 'dir file from-guest ' 'made and removed'
echo host >"$mnt/d/from-host" && echo mount >"$mnt/d/file" && rm "$mnt/d/from-guest" &&
	echo inner >"$mnt/d/dir/inner" && mv "$mnt/d/dir" "$mnt/d/moved" || not_ok 'the mount can be written'
vm_say changed
vm_wait 120
vm_ok 'the guest goes on'
is "$(sed '1,/^changed$/d' <<<"$vm_out")" 'a new file
a changed file
a removed file
a renamed directory' 'the guest sees what the mount changed'
vm_serve_end
is_mounted "$mnt" && not_ok 'the mount ends with the server' || ok 'the mount ends with the server'
check 'the upper is whole' "$VENEER" check "$upper"
finish
