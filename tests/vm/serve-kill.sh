#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The worker is killed ten times while a guest copies and compares; the keeper starts another each time, and the
# guest sees nothing but a pause. So it is when the worker is replaced on demand.
. "$(dirname "$0")/lib.sh"
vm_need
vm_need_serve
need pgrep

low=$scratch/low upper=$scratch/upper
mkdir -p "$low/src" "$upper"
for i in $(seq 30); do head -c $((i * 1500)) /dev/urandom >"$low/src/f$i"; done
vm_serve "$scratch/socket" tree -o "lowerdir=$low,upperdir=$upper"
vm_case <<'END'
mount_share tree /mnt && cd /mnt || vm_exit 1
exec 3<src/f1 4<&0
(host stop && : >/tmp/stop) <&4 &
round=0
while [ ! -e /tmp/stop ]; do
	round=$((round + 1))
	rm -rf copy && cp -r src copy && diff -r src copy || { echo "round $round differs"; vm_exit 2; }
	mv copy/f2 copy/renamed && cmp src/f2 copy/renamed || { echo "round $round: rename"; vm_exit 3; }
	echo "$round" >>log && [ "$(wc -l <log)" = $round ] || { echo "round $round: log"; vm_exit 4; }
	echo "round $round"
done
cmp - src/f1 <&3 || vm_exit 5
echo "rounds $round"
END
vm_start
vm_saw '^round 1$' 120 || bail 'the guest does not start'

# The worker is the child of the process that was started.
worker() { pgrep -P "$vm_server" | head -n 1; }
new_worker() { local w; w=$(worker) && [ -n "$w" ] && [ "$w" != "$1" ]; }
rounds() { tr -d '\r' <"$vm_console" | grep -c '^round'; }
further() { [ "$(rounds)" -gt "$1" ] || not kill -0 "$vm_pid"; }
killed=0
for i in 1 2 3 4 5 6 7 8 9 10; do
	w=$(worker)
	[ -n "$w" ] || bail "no worker to kill (round $i)" "$(tail -n 20 "$scratch/serve.log")"
	# Longer than the age below which the keeper takes a death for a failed start.
	sleep "2.$((RANDOM % 10))"
	kill -9 "$w" && killed=$((killed + 1))
	eventually 30 new_worker "$w" || bail "no other worker after kill $i" "$(tail -n 20 "$scratch/serve.log")"
	at=$(rounds)
	eventually 90 further "$at" || bail "the guest does not go on after kill $i" "$(tail -n 5 "$vm_console")"
done
w=$(worker)
kill -USR1 "$vm_server"
if eventually 60 new_worker "$w" && at=$(rounds) && eventually 90 further "$at"; then
	ok 'a worker is replaced in order, as for an upgrade'
else
	not_ok 'a worker is replaced in order, as for an upgrade' "$(tail -n 20 "$scratch/serve.log")"
fi
vm_say stop
vm_wait 120
is "$killed" 10 'the worker is killed ten times'
vm_ok 'the guest sees nothing but a pause'
like "$vm_out" '^rounds [0-9]+$' 'its copies compare to the end'
vm_serve_end
check 'the upper is whole' "$VENEER" check "$upper"
finish
