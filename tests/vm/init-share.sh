#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# veneer-init as process 1 of a real guest whose root is a share (of Debian's server): mounts, the
# runtime share by its tag, the command from the kernel's command line, the report, powering off.
. "$(dirname "$0")/lib.sh"
vm_need
vm_need_init

vm_root "$scratch/root"
cp "$vm_init" "$scratch/root/init.krun"
mkdir "$scratch/tools" && echo tool >"$scratch/tools/name"
vm_virtiofsd "$scratch/socket" tree "$scratch/root"
vm_virtiofsd "$scratch/socket2" tools "$scratch/tools"
vm_case <<'END'
run_root tree /init.krun
END
vm_append='VENEER_TMPFS="/tmp,size=8;/run;/scratch" VENEER_RUNTIME=tools,ro VENEER_HOSTNAME=box GREETING=hi'
vm_append="$vm_append VENEER_CMD=\"sh -c '. /etc/guest'\" VENEER_WORKDIR=/etc"
cat >"$scratch/root/etc/guest" <<'END'
while read -r device dir type options rest; do echo "mount $dir $type $options"; done </proc/mounts
pwd
read -r host </proc/sys/kernel/hostname && echo "host $host"
echo "greeting $GREETING"
cat /run/veneer/name
echo x >/run/veneer/new && echo 'the runtime share can be written'
echo written >/etc/from-guest
(exit 0) </dev/tty && echo terminal
exit 21
END
vm_run 120
is "$vm_report" 'VENEER-EXIT status=21' "the command's status arrives, and the guest is off"
like "$vm_out" '^mount / virtiofs' 'the share is the root'
like "$vm_out" '^mount /dev devtmpfs' '/dev is mounted'
like "$vm_out" '^mount /proc proc' '/proc is mounted'
like "$vm_out" '^mount /sys sysfs' '/sys is mounted'
like "$vm_out" '^mount /sys/fs/cgroup cgroup2' 'cgroup2 is mounted'
like "$vm_out" '^mount /dev/pts devpts' '/dev/pts is mounted'
like "$vm_out" '^mount /dev/shm tmpfs' '/dev/shm is mounted'
like "$vm_out" '^mount /tmp tmpfs rw,nosuid,nodev,relatime,size=8192k' 'a tmpfs is mounted'
like "$vm_out" '^mount /run/veneer virtiofs ro,nosuid,nodev' 'the runtime share is mounted by its tag'
like "$vm_out" '^tool$' 'and can be read'
is "$(grep -c 'can be written' <<<"$vm_out")" 0 'and not written'
like "$(tr '\n' ' ' <<<"$vm_out")" ' /etc host box greeting hi ' 'working directory, host name and environment'
like "$vm_out" '^terminal$' 'the command has a controlling terminal'
is "$(cat "$scratch/root/etc/from-guest" 2>&1)" written 'what the guest wrote is on the host'
finish
