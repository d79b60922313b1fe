#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a client still has in its page cache belongs to a snapshot when it was written before: through write(2) with
# and without write-back, and through mappings, which go on working.
. "$(dirname "$0")/lib.sh"
need_root
need_fuse
need python3

cd "$scratch" || exit 99
mkdir -p low mnt old
mounts+=("$scratch/old")
head -c 1000000 /dev/zero | tr '\0' b >low/base

cat >pages.py <<'P'
import mmap, os, subprocess, sys, threading
veneer, upper = sys.argv[1:3]
PAGE, PAGES = 4096, 64

# Commands are given from here: a child of a process that has files open closes them, which writes them back.
shell = subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def run(*args):
    shell.stdin.write(("%s >out; echo $?\n" % " ".join([veneer, *args])).encode())
    shell.stdin.flush()
    if shell.stdout.readline() != b"0\n":
        raise SystemExit("failed: " + " ".join(args))
    return open("out", "rb").read()
def frozen(name, path):
    return run("cat", "--snapshot", name, upper, path)
def say(what, good):
    print("%s: %s" % (what, "yes" if good else "no"), flush=True)

# ---- completed write(2)s ----
def written(path, data, flags=0, at=0):
    fd = os.open(path, os.O_RDWR | flags, 0o644)
    os.pwrite(fd, data, at)
    return fd
fds = [written("mnt/new", b"n" * 100000, os.O_CREAT), written("mnt/base", b"N" * 5000, 0, 70000)]
with open("mnt/log", "w") as f:
    f.write("one\n")
with open("mnt/log", "a") as f:
    f.write("two\n")
os.close(written("mnt/closed", b"c" * 10, os.O_CREAT))
now = os.stat("mnt/new")
run("snapshot", upper, "written")
say("a new file's bytes", frozen("written", "new") == b"n" * 100000)
say("bytes in a lower file", frozen("written", "base") == b"b" * 70000 + b"N" * 5000 + b"b" * 925000)
say("appended lines", frozen("written", "log") == b"one\ntwo\n")
say("a closed file", frozen("written", "closed") == b"c" * 10)
say("the present size and time", (os.stat("mnt/new").st_size, os.stat("mnt/new").st_mtime_ns) == (now.st_size, now.st_mtime_ns))
run("mount", "-o", "ro,snapshot=written,upperdir=" + upper, "old")
old = os.stat("old/new")
say("its size and time", (old.st_size, old.st_mtime_ns) == (now.st_size, now.st_mtime_ns))
os.system("umount old")
for fd in fds:
    os.pwrite(fd, b"later", 0)
say("later writes are not in it", frozen("written", "new")[:5] == b"nnnnn" and frozen("written", "base")[:5] == b"bbbbb")
say("but in the tree", open("mnt/new").read(5) == "later" and open("mnt/base").read(5) == "later")

# ---- a mapping at rest ----
def mapped(path, fill):
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    if fill:
        os.ftruncate(fd, PAGES * PAGE)
    m = mmap.mmap(fd, PAGES * PAGE)
    os.close(fd)
    return m
maps = [mapped("mnt/map", True), mapped("mnt/base", False)]
for m in maps:
    for p in range(PAGES):
        m[p * PAGE:p * PAGE + 4] = b"%04d" % p
run("snapshot", upper, "mapped")
for m in maps:
    for p in range(0, PAGES, 2):
        m[p * PAGE:p * PAGE + 4] = b"late"
def pages(data):
    return [data[p * PAGE:p * PAGE + 4] for p in range(PAGES)]
was = [b"%04d" % p for p in range(PAGES)]
late = [b"late" if p % 2 == 0 else was[p] for p in range(PAGES)]
say("dirty pages of a mapping", pages(frozen("mapped", "map")) == was and pages(frozen("mapped", "base")) == was)
say("the mapping goes on", pages(maps[0]) == late and pages(maps[1]) == late)
for m in maps:
    m.flush()
say("what it wrote later is not in it", pages(frozen("mapped", "map")) == was and pages(frozen("mapped", "base")) == was)
say("but in the tree", pages(open("mnt/map", "rb").read()) == late and pages(open("mnt/base", "rb").read()) == late)

# ---- mappings at work: each page counts, and no count goes back ----
counts, stop = [0] * PAGES, False
def work():
    n = 0
    while not stop:
        n += 1
        for p in range(PAGES):
            maps[0][p * PAGE:p * PAGE + 8] = n.to_bytes(8, "little")
            counts[p] = n
worker = threading.Thread(target=work)
worker.start()
good = True
kept = []
for i in range(5):
    before = list(counts)
    run("snapshot", upper, "busy%d" % i)
    after = list(counts)
    data = frozen("busy%d" % i, "map")
    found = [int.from_bytes(data[p * PAGE:p * PAGE + 8], "little") for p in range(PAGES)]
    good = good and all(b <= f <= a + 1 for b, f, a in zip(before, found, after) if b)
    kept.append(data)
stop = True
worker.join()
maps[0].flush()
say("each page as it was while the snapshot was made", good)
say("and so for good", all(frozen("busy%d" % i, "map") == kept[i] for i in range(5)))
P

for mode in through back; do
	rm -rf up
	mnt mnt -o "lowerdir=low,upperdir=up$([ $mode = through ] || echo ,writeback)"
	timeout 300 python3 pages.py "$VENEER" up >said 2>&1
	is "$(grep -c ': yes$' said)" 14 "write-$mode: all that was written before is in the snapshot, and nothing later"
	grep -v ': yes$' said | sed 's/^/# /'
	unmnt mnt
	check "write-$mode: clean at the end" eventually 30 "$VENEER" check up
done
finish
