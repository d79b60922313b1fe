#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The tests' own tools, with Debian's server: a guest mounts a share, its output and status arrive, and a
# guest that hangs or dies is told apart from one that ends.
. "$(dirname "$0")/lib.sh"
vm_need

mkdir "$scratch/shared" && echo hello >"$scratch/shared/from-host"
vm_virtiofsd "$scratch/socket" tree "$scratch/shared"
vm_case <<'END'
mount_share tree /mnt && cat /mnt/from-host
echo ready
host go
echo answer >/mnt/from-guest
vm_exit 42
END
vm_start
vm_saw '^ready$' 120
vm_say go
vm_wait 60
is "$vm_status" 42 "the guest's status arrives"
is "$vm_out" 'hello
ready' 'its output arrives'
is "$(cat "$scratch/shared/from-guest" 2>&1)" answer 'its file arrives'

vm_devices=()
vm_case <<'END'
echo before
while :; do sleep 1; done
END
vm_start
vm_saw '^before$' 120
vm_wait 1
is "$vm_status" timeout 'a guest that hangs is ended'
finish
