#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# open=passthrough: the kernel reads big lower files itself. Contents, messages and pages; what happens to a file that
# is read that way when it is opened for writing or changes; the lower stays as it is, also its access times.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse
need python3

cd "$scratch" || exit 99
mkdir low mnt other
head -c 3000000 /dev/urandom >data
cp data low/big
for i in written cut emptied direct moved gone named snap; do cp low/big "low/$i"; done
ln low/named low/alias
cp "$(command -v bash)" low/bash
truncate -s 600000 low/bash # whatever its size was: at least what is read that way
[ "$(stat -c %s "$(command -v bash)")" -le 600000 ] || cp "$(command -v bash)" low/bash
echo small >low/small
echo virtual >hosts
# An access time before the change is one that reading sets, on nearly every mount.
touch -a -d '2001-01-01' low/*
lower_now() { (cd low && stat -c '%n %i %s %X.%x %Y.%y %Z.%z %a' -- *); }
lower_now >before
sum=$(md5sum <data)

if ! out=$(timeout 60 "$VENEER" mount -o "lowerdir=low,upperdir=up,open=passthrough" mnt 2>&1 </dev/null); then
	is "$(is_mounted mnt && echo mounted; ls -d up 2>/dev/null)" '' 'where it is not possible nothing is left'
	like "$out" 'open=passthrough (needs|is not possible)' 'and it is said why'
	skip 'the rest' "$out"
	finish
fi
mounts+=(mnt)

messages() { "$VENEER" stat --json --reset "${1:-mnt}" | sed -n '/"messages": *{/,/}/ s/^ *"\([A-Z_0-9]*\)": *\([0-9]*\),*$/\1 \2/p'; }
count() { awk -v op="$1" '$1 == op {n = $2} END {print n + 0}'; }

# ---- what is sent, and where the pages are ----
messages >/dev/null
is "$(md5sum <mnt/big)" "$sum" 'a big file has its bytes'
now=$(messages)
is "$(count OPEN <<<"$now") $(count READ <<<"$now")" '1 0' 'for one OPEN and no READ'
eventually 10 eval '[ "$(messages | count RELEASE)" = 1 ] || [ "$(count RELEASE <<<"$now")" = 1 ]'
check 'and one RELEASE' [ $? -eq 0 ]
is "$(cat mnt/small mnt/small)" $'small\nsmall' 'a small file has its bytes'
is "$(messages | count READ)" 1 'which the kernel asks for once and keeps'
ls mnt >/dev/null && messages >/dev/null && ls mnt >/dev/null
is "$(messages | grep -c DIR)" 0 'directories are opened and listed without a message'
check 'a program runs' mnt/bash -c true
is "$(messages | count READ)" 0 'and is not read through the server'

cat >pages.py <<'P'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
class Stat(ctypes.Structure):
    _fields_ = [(n, ctypes.c_uint64) for n in ("cache", "dirty", "writeback", "evicted", "recently")]
class Range(ctypes.Structure):
    _fields_ = [("off", ctypes.c_uint64), ("len", ctypes.c_uint64)]
for path in sys.argv[1:]:
    fd = os.open(path, os.O_RDONLY)
    while os.read(fd, 1 << 20):
        pass
    st = Stat()
    if libc.syscall(451, fd, ctypes.byref(Range(0, 0)), ctypes.byref(st), 0):
        sys.exit("cachestat: " + os.strerror(ctypes.get_errno()))
    print(path, st.cache)
P
mnt other -o "lowerdir=low,open=passthrough"
if out=$(python3 pages.py mnt/big other/big 2>&1); then
	is "$out" $'mnt/big 0\nother/big 0' 'two mounts over it keep no pages of their own'
else
	skip 'two mounts over it keep no pages of their own' "$out"
fi
unmnt other

# ---- one descriptor that reads, and the rest of the world ----
cat >beside.py <<'P'
import errno, mmap, os, subprocess, sys
veneer = sys.argv[1]
data = open("data", "rb").read()
def say(what, good):
    print("%s: %s" % (what, "yes" if good else "no"), flush=True)
def reader(name):
    fd = os.open("mnt/" + name, os.O_RDONLY)
    return fd, mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
def is_old(r):
    return os.pread(r[0], len(data) + 1, 0) == data and r[1][:] == data
def now(name):
    with open("mnt/" + name, "rb") as f:
        return f.read()
def run(*args):
    return subprocess.run([veneer, *args], stdin=subprocess.DEVNULL, capture_output=True)

r = reader("written")
say("a mapping shows the bytes", is_old(r))
w = os.open("mnt/written", os.O_RDWR)
st = os.fstat(w)
say("a writer opens it beside", st.st_ino == os.fstat(r[0]).st_ino)
os.pwrite(w, b"written", 10)
say("and sees what it writes", os.pread(w, 7, 10) == b"written")
say("as does whoever opens it now", now("written") == data[:10] + b"written" + data[17:])
m = mmap.mmap(w, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
m[20:26] = b"mapped"
say("shared mappings of both agree", now("written")[20:26] == b"mapped" and os.pread(w, 6, 20) == b"mapped")
say("the reader before shows what was", is_old(r))
os.ftruncate(w, 100)
say("size and times are one", os.fstat(r[0])[6:] == os.fstat(w)[6:] and os.fstat(r[0]).st_size == 100)
os.fchmod(r[0], 0o600)
say("so are modes", os.fstat(w).st_mode & 0o777 == 0o600 == os.stat("mnt/written").st_mode & 0o777)
os.pwrite(w, b"more", 100)
try:
    os.open("/proc/self/fd/%d" % r[0], os.O_RDWR)
    say("its old descriptor cannot be opened again", False)
except OSError as e:
    say("its old descriptor cannot be opened again", e.errno == errno.ESTALE)
say("and it can be extended", os.stat("mnt/written").st_size == 104 == os.fstat(r[0]).st_size and len(now("written")) == 104)
m.close()

r = reader("cut")
os.truncate("mnt/cut", 50)
say("truncated by name: whoever opens it now sees it", now("cut") == data[:50] and os.stat("mnt/cut").st_size == 50)
say("truncated by name: the reader shows what was", is_old(r))

r = reader("emptied")
with open("mnt/emptied", "wb") as f:
    f.write(b"anew")
say("O_TRUNC works beside", now("emptied") == b"anew" and os.stat("mnt/emptied").st_size == 4)
say("O_TRUNC: the reader shows what was", is_old(r))

r = reader("direct")
d = os.open("mnt/direct", os.O_RDONLY | os.O_DIRECT)
buf = mmap.mmap(-1, 4096)
say("O_DIRECT works beside", os.preadv(d, [buf], 4096) == 4096 and buf[:] == data[4096:8192] and is_old(r))
os.close(d)

r = reader("moved")
os.chmod("mnt/moved", 0o640)
os.rename("mnt/moved", "mnt/there")
r2 = reader("there")
os.unlink("mnt/there")
say("chmod, rename and unlink while it is open", is_old(r) and is_old(r2) and os.fstat(r[0]).st_nlink == 0 and
    os.fstat(r[0]).st_mode & 0o777 == 0o640 and not os.path.exists("mnt/there"))
with open("mnt/moved", "wb") as f:
    f.write(b"another")
say("another file can take its name", now("moved") == b"another" and is_old(r))

r = reader("named")
say("another name is the same file", os.stat("mnt/alias").st_ino == os.fstat(r[0]).st_ino and now("alias") == data)
with open("mnt/alias", "ab") as f:
    f.write(b"end")
say("a change by one name shows by the other", os.stat("mnt/named").st_size == len(data) + 3 and now("named") == data + b"end")
os.truncate("mnt/named", 7)
say("and the other way round", now("alias") == data[:7] == now("named") and os.stat("mnt/alias").st_size == 7)
os.unlink("mnt/named")
say("and when one goes", os.stat("mnt/alias").st_nlink == 1 and is_old(r))

out = os.open("mnt/copy", os.O_WRONLY | os.O_CREAT)
r = reader("big")
n = 0
while n < len(data):
    n += os.sendfile(out, r[0], n, len(data) - n)
say("sendfile copies it", now("copy") == data)
os.copy_file_range(r[0], out, 4096, 0, 0)
say("copy_file_range copies it", now("copy")[:4096] == data[:4096])
with open("/proc/self/fd/%d" % r[0], "rb") as f:
    say("its descriptor can be opened again", f.read() == data)

r = reader("snap")
say("a snapshot is taken while it is open", run("snapshot", "up", "one").returncode == 0)
with open("mnt/snap", "r+b") as f:
    f.write(b"later")
frozen = run("cat", "--snapshot", "one", "up", "snap").stdout
say("and has what was", frozen == data and now("snap")[:5] == b"later" and is_old(r))
r2 = reader("big")
say("a rollback goes back", run("rollback", "up", "one").returncode == 0 and now("snap") == data)
say("and what is open still shows its bytes", is_old(r) and is_old(r2))
r = reader("snap")
say("which can be opened again", is_old(r) and now("big") == data)

# A crowd on one file: whoever opens it after a writer has closed sees what it wrote.
bad = []
import threading
def crowd(n):
    for i in range(60):
        fd = os.open("mnt/gone", os.O_RDONLY)
        if os.pread(fd, 10, 1000) != data[1000:1010]:
            bad.append("read")
        if n == 0 and i == 30:
            with open("mnt/gone", "r+b") as f:
                f.write(b"crowd")
            with open("mnt/gone", "rb") as f:
                if f.read(5) != b"crowd":
                    bad.append("own")
        os.close(fd)
threads = [threading.Thread(target=crowd, args=(n,)) for n in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
say("a crowd of readers with a writer among them", not bad and now("gone") == b"crowd" + data[5:])
P
# carrier NAME OPTION...: the same on what carries the mount's requests.
beside() {
	local n=0 line
	while read -r line; do
		is "$line" "${line%: *}: yes" "$1: ${line%: *}"
		n=$((n + 1))
	done < <(timeout 300 python3 beside.py "$VENEER" 2>&1)
	is $n 30 "$1: all were asked"
}
beside 'read/write'
check 'the writable layer is sound' eventually 30 "$VENEER" check up

# ---- the end ----
exec 7<mnt/big
check_fails 'a mount that is in use stays' umount mnt
is "$(md5sum <&7)" "$sum" 'and is read on'
exec 7<&-
unmnt mnt
check 'the layer is sound afterwards' eventually 60 "$VENEER" check up
lower_now >after
check 'the lower is as it was, also its access times' diff before after

# ---- other ways to mount ----
mnt mnt -o "lowerdir=low,open=passthrough,virtual=/hosts=$scratch/hosts"
is "$(cat mnt/hosts)" virtual 'a virtual file beside'
exec 7<mnt/big
umount -l mnt
is "$(md5sum <&7)" "$sum" 'a tree without an upper, taken away while it is open'
exec 7<&-
eventually 30 not is_mounted mnt

# ---- what does not go together ----
refused() { # refused NAME ERE COMMAND...
	local out rc
	out=$("${@:3}" 2>&1 </dev/null)
	rc=$?
	like "$rc $out" "^[12] .*$2" "$1"
	is "$(is_mounted mnt && echo mounted; ls -d new 2>/dev/null)" '' "$1: nothing is left"
}
refused 'writeback is refused' 'open=passthrough and writeback do not go together' \
	timeout 60 "$VENEER" mount -o lowerdir=low,upperdir=new,open=passthrough,writeback mnt
refused 'a word that is none' 'open=fast.*passthrough or cached' timeout 60 "$VENEER" mount -o lowerdir=low,open=fast mnt
refused 'a guest cannot' 'open=passthrough is for mounts of this machine' \
	timeout 60 "$VENEER" serve --socket=s -o lowerdir=low,upperdir=new,open=passthrough
if unshare -Urm true 2>/dev/null; then
	refused 'a user namespace cannot' 'open=passthrough needs root' \
		timeout 60 unshare -Urm "$VENEER" mount -o lowerdir=low,upperdir=new,open=passthrough mnt
else
	skip 'a user namespace cannot' 'user namespaces cannot be made'
fi
finish
