#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# sqlite3 reads the index of a layer that is mounted and being changed, and does no harm.
. "$(dirname "$0")/lib.sh"

need_root
need_fuse
need sqlite3

lower=$scratch/lower mnt=$scratch/mnt index=$scratch/upper/index.db
mkdir -p "$lower"/{dir,moved/deep} "$mnt"
for f in edited touched deleted renamed dir/inside moved/deep/file; do echo "$f" >"$lower/$f"; done

mnt "$mnt" -o "lowerdir=$lower,upperdir=$scratch/upper"
(
	cd "$mnt" && echo more >>edited && chmod 600 touched && rm deleted && mv renamed new-name && mv moved away &&
		mkdir made && echo x >made/file && ln -s x made/link
) || bail 'changing the tree'
changes() {
	sqlite3 -readonly -separator ' ' "$index" 'select kind, path from changes order by path, kind' |
		grep -v '^[mM] /$' | grep -v '^m /\(away\|made\|new-name\)$'
}
# The index follows the journal at its own pace.
wanted='R /away
D /deleted
M /edited
A /made
A /made/file
A /made/link
R /new-name
m /touched'
same() { [ "$(changes)" = "$wanted" ]; }
eventually 30 same
is "$(changes)" "$wanted" 'select * from changes shows them while mounted'
check 'as the one line of the manual' sqlite3 -readonly "$index" 'select * from changes'
is "$(sqlite3 -readonly "$index" "select old from changes where path = '/away' and kind = 'R'")" /moved 'with the old name'

# Readers beside a writer: what they see is a state of the tree, and closing them takes no lock from the server.
: >"$scratch/errors"
(while [ ! -e "$scratch/stop" ]; do
	sqlite3 -readonly "$index" 'pragma query_only=1; select count(*) from changes' >/dev/null 2>>"$scratch/errors"
done) &
pids+=("$!")
reader=$!
for ((i = 0; i < 2000; i++)); do echo "$i" >"$mnt/made/n$i"; done
touch "$scratch/stop"
wait "$reader"
is "$(cat "$scratch/errors")" '' 'readers get no error beside a writer'

# Rows follow the data files of a busy layer at some distance: that is no problem to report.
cat >"$scratch/busy.py" <<'P'
import os, sys
d = sys.argv[1]
fds = [os.open("%s/b%d" % (d, i), os.O_CREAT | os.O_RDWR) for i in range(100)]
n = 0
while not os.path.exists(sys.argv[2]):
    for fd in fds:
        n += 1
        os.pwrite(fd, b"x" * 1000, n * 7919 % 20000)
        os.ftruncate(fd, n * 104729 % 30000)
P
if command -v python3 >/dev/null; then
	background python3 "$scratch/busy.py" "$mnt/made" "$scratch/enough"
	busy=$!
	eventually 30 test -e "$mnt/made/b99"
	for i in 1 2 3 4 5; do check "a busy layer is clean ($i)" "$VENEER" check "$scratch/upper"; done
	touch "$scratch/enough"
	wait "$busy"
fi
unmnt "$mnt"
check 'the layer is clean' eventually 30 "$VENEER" check "$scratch/upper"
is "$(sqlite3 -readonly "$index" "select count(*) from changes where kind = 'A' and path like '/made/n%'")" 2000 'all are there at the end'
finish
