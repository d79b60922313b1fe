# SPDX-License-Identifier: Apache-2.0
"""
Random histories of a writable layer, and an oracle for `veneer diff`.

	diff_histories.py VENEER DIRECTORY SEED ROUNDS

A walk of the tree is kept for the start and for each snapshot. Any two of them say, object by object (inode numbers
never change), what `veneer diff --json` has to tell: see Oracle. Prints what is wrong and exits 1.
The history stops at the first difference.
"""
import ctypes, json, os, random, shutil, stat, subprocess, sys, time

VENEER, TOP, SEED, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
DIRS = ["", "d", "e", "d/f", "g"]
NAMES = ["a", "b", "c", "d", "e", "f", "g", "h"]
libc = ctypes.CDLL(None, use_errno=True)
TYPES = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink", stat.S_IFCHR: "char",
	 stat.S_IFBLK: "block", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}


def run(*args, fail=True):
	p = subprocess.run([VENEER, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
	if p.returncode and fail:
		raise Exception(f"veneer {' '.join(args)}: {p.returncode} {p.stdout} {p.stderr}")
	return p.stdout


class Entry:
	def __init__(self, path):
		s = os.lstat(path)
		self.ino, self.mode, self.rdev, self.size, self.mtime = s.st_ino, s.st_mode, s.st_rdev, s.st_size, s.st_mtime_ns
		self.type = stat.S_IFMT(s.st_mode)
		self.isdir = stat.S_ISDIR(s.st_mode)
		self.data = None
		if stat.S_ISREG(s.st_mode):
			with open(path, "rb") as f:
				self.data = f.read()
		elif stat.S_ISLNK(s.st_mode):
			self.data = os.readlink(path)
		self.xattrs = {n: os.getxattr(path, n, follow_symlinks=False)
			       for n in os.listxattr(path, follow_symlinks=False) if not n.startswith("security.")}
		self.owner = (s.st_uid, s.st_gid)

	def meta(self):
		return (self.mode, self.owner, tuple(sorted(self.xattrs.items())))


def walk(top):
	out = {"": Entry(top)}
	for d, dirs, files in os.walk(top):
		for n in dirs + files:
			p = os.path.join(d, n)
			out[os.path.relpath(p, top)] = Entry(p)
	return out


# ---- what a diff has to say ----

class Oracle:
	"""
	A place is a directory's number and a name. Places that mean another object than before have lost one and gained
	one; of an object with both, one pair is a rename. What was lost with its directory is told by that alone.
	"""

	def __init__(self, a, b, touched, written):
		self.a, self.b, self.touched, self.written = a, b, touched, written
		self.wrong = []
		ea, eb = self.places(a), self.places(b)
		alive = {e.ino for e in b.values()}
		self.lost, self.gained, self.lost_at, self.gained_at = {}, {}, {}, {}
		self.rows = {k[0] for k in {*ea, *eb} if ea.get(k, (0, 0))[1] != eb.get(k, (0, 0))[1]}
		for k, (p, ino) in ea.items():
			if eb.get(k, (0, 0))[1] != ino:
				self.lost.setdefault(ino, {})[p] = k[0] in alive
				self.lost_at[k] = p
		self.fresh, was_alive = set(), {e.ino for e in a.values()}
		for k, (p, ino) in eb.items():
			if k[0] not in was_alive:
				self.fresh.add(p)
			if ea.get(k, (0, 0))[1] != ino:
				self.gained.setdefault(ino, set()).add(p)
				self.gained_at[k] = p
		self.standing = {ino for k, (p, ino) in eb.items() if ea.get(k, (0, 0))[1] == ino} | {1}
		self.ino_a, self.ino_b = {e.ino: e for e in a.values()}, {e.ino: e for e in b.values()}

	@staticmethod
	def places(w):
		return {(w[os.path.dirname(p)].ino, os.path.basename(p)): (p, e.ino) for p, e in w.items() if p}

	def say(self, text):
		self.wrong.append(text)

	def renames(self, changes):
		"""Checks them; what they took is no longer lost or gained."""
		self.renamed = {}
		for c in changes:
			if c["change"] != "renamed":
				continue
			old, new = c["old_path"], c["path"]
			if old not in self.a or new not in self.b or self.a[old].ino != self.b[new].ino:
				self.say(f"no rename: {c}")
				continue
			ino = self.b[new].ino
			if old not in self.lost.get(ino, {}) or new not in self.gained.get(ino, set()):
				self.say(f"stands or told twice: {c}")
				continue
			del self.lost[ino][old]
			self.gained[ino].discard(new)
			self.renamed.setdefault(ino, []).append(c)
		for ino, left in self.gained.items():
			# what was linked out of a directory that is gone need not be one
			if left and (any(self.lost.get(ino, {}).values()) and (ino not in self.standing or left - self.fresh) or
				     (self.lost.get(ino) and ino not in self.renamed and ino not in self.standing)):
				self.say(f"missing: rename of {self.lost[ino]} to {left}")

	def names(self):
		"""The additions, deletions and replacements that are left."""
		want = set()
		new_at = {p: self.b[p] for ps in self.gained.values() for p in ps}
		to = {c["path"] for cs in self.renamed.values() for c in cs}
		replaced = {}
		for k, p in self.lost_at.items():
			if p in self.lost.get(self.a[p].ino, {}):
				replaced[k] = p
		for k, p in self.gained_at.items():
			if p not in new_at:
				continue
			old = replaced.get(k)
			if old is not None and self.a[old].type == self.b[p].type and not self.b[p].isdir:
				want.add(("modified", p))
			else:
				want.add(("added", p))
				if old is not None:
					want.add(("deleted", old))
		for k, p in replaced.items():
			if k not in self.gained_at and self.lost[self.a[p].ino][p]:
				want.add(("deleted", p))
		return want

	def state(self, ino):
		"""What is required, what is allowed beside it."""
		x, y = self.ino_a[ino], self.ino_b[ino]
		if x.data != y.data:
			return "modified", set()
		may = set()
		if ino in self.written:
			may |= {"modified", "metadata"}
		if ino in self.touched:
			may.add("metadata")
		if x.meta() != y.meta():
			return "metadata", may
		if x.mtime != y.mtime and not x.isdir:
			return "metadata", may
		if x.mtime != y.mtime:
			may.add("metadata") # its entries changed, or somebody set it
		return None, may

	def check(self, changes):
		self.renames(changes)
		want = self.names()
		told = {}
		paths = [(c["path"], c["change"] != "deleted") for c in changes]
		if len(set((c["change"], c["path"]) for c in changes)) != len(changes):
			self.say("told twice")
		if paths != sorted(paths, key=lambda p: (os.fsencode(p[0]), p[1])):
			self.say("not sorted")
		for c in changes:
			k = (c["change"], c["path"])
			w = self.a if c["change"] == "deleted" else self.b
			if c["path"] not in w:
				self.say(f"no such path: {c}")
				continue
			e = w[c["path"]]
			if "type" in c and c["type"] != TYPES[e.type]:
				self.say(f"type: {c}")
			if c["change"] != "deleted" and e.type == stat.S_IFREG and c["size"] != e.size:
				self.say(f"size: {c} not {e.size}")
			if c["change"] == "renamed":
				continue
			if k in want:
				want.discard(k)
				continue
			if c["change"] in ("added", "deleted"):
				self.say(f"wrong: {c}")
			else:
				told.setdefault(e.ino, []).append(c)
		for k in want:
			self.say(f"missing: {k}")
		for ino in self.ino_a.keys() & self.ino_b.keys():
			need, may = self.state(ino)
			y = self.ino_b[ino]
			got = told.pop(ino, [])
			rs = self.renamed.get(ino, [])
			if len(got) > 1 or (got and rs):
				self.say(f"more than once: {got} {rs}")
			says = {c["change"] for c in got} | {"modified" for c in rs if c["modified"]} | {
				"metadata" for c in rs if c["metadata"] and not c["modified"]}
			if ino not in self.standing and not rs:
				need = None # told as added under all its names
			if need and says != {need} and not (len(says) == 1 and says <= may):
				self.say(f"{[p for p, e in self.b.items() if e.ino == ino]}: needs {need}, said {got} {rs}")
			if not need and not (len(says) <= 1 and says <= may):
				self.say(f"{[p for p, e in self.b.items() if e.ino == ino]}: no difference, said {got} {rs}")
			for c in got:
				if self.added(c["path"], changes):
					self.say(f"as added and changed: {c}")
		for ino, got in told.items():
			self.say(f"wrong: {got}")
		return self.wrong

	@staticmethod
	def added(path, changes):
		return any(c["change"] == "added" and c["path"] == path for c in changes)


# ---- a history ----

class History:
	def __init__(self, seed):
		self.seed, self.rng, self.count = seed, random.Random(seed), 0
		self.top = os.path.join(TOP, f"h{seed}")
		self.low = [os.path.join(self.top, f"low{i}") for i in range(self.rng.randint(1, 4))]
		self.mnt, self.up = os.path.join(self.top, "mnt"), os.path.join(self.top, "up")
		self.log, self.touched, self.written, self.wrong, self.mounted = [], set(), set(), [], False
		os.makedirs(self.mnt)
		for i, l in enumerate(self.low):
			os.mkdir(l)
			self.lower(l, i + 1 < len(self.low))

	def bytes(self):
		self.count += 1
		return f"{self.count} ".encode() * self.rng.choice([1, 3, 3000])

	def lower(self, top, marks):
		for _ in range(self.rng.randint(6, 26)):
			p = os.path.join(top, self.rng.choice(DIRS), self.rng.choice(NAMES))
			kind = self.rng.choice(["file"] * 4 + ["dir"] * 2 + ["link", "link", "symlink", "node"] + ["white", "opaque"] * marks)
			try:
				os.makedirs(os.path.dirname(p), exist_ok=True)
				if kind == "file":
					with open(p, "xb") as f:
						f.write(self.bytes())
				elif kind == "dir":
					os.mkdir(p)
				elif kind == "link":
					fs = [os.path.join(d, n) for d, _, ns in sorted(os.walk(top)) for n in sorted(ns)
					      if stat.S_ISREG(os.lstat(os.path.join(d, n)).st_mode)]
					os.link(self.rng.choice(fs), p)
				elif kind == "symlink":
					os.symlink(f"to{self.rng.random()}", p)
				elif kind == "node":
					os.mknod(p, stat.S_IFBLK | 0o600, os.makedev(7, self.rng.randint(1, 99)))
				elif kind == "white":
					os.mknod(p, stat.S_IFCHR, 0)
				else:
					os.makedirs(p, exist_ok=True)
					os.setxattr(p, "trusted.overlay.opaque", b"y")
			except (OSError, IndexError):
				pass

	def mount(self):
		run("mount", "-o", f"lowerdir={':'.join(self.low)},upperdir={self.up}", self.mnt)
		self.mounted = True

	def unmount(self):
		server = json.loads(run("stat", "--json", self.mnt)).get("pid")
		subprocess.run(["umount", self.mnt], check=True)
		self.mounted = False
		while server and os.path.exists(f"/proc/{server}"):
			try:
				if ") Z " in open(f"/proc/{server}/stat").read():
					break
			except OSError:
				break
			time.sleep(0.01)

	def pick(self, kinds="fdlno"):
		out = []
		for d, dirs, files in os.walk(self.mnt):
			out += [os.path.join(d, n) for n in dirs + files]
		out.sort()
		if kinds == "f":
			out = [p for p in out if stat.S_ISREG(os.lstat(p).st_mode)]
		elif kinds == "d":
			out = [p for p in out if stat.S_ISDIR(os.lstat(p).st_mode)]
		elif kinds == "nd":
			out = [p for p in out if not stat.S_ISDIR(os.lstat(p).st_mode)]
		return self.rng.choice(out)

	def place(self):
		ds = [d for d, _, _ in os.walk(self.mnt)]
		ds.sort()
		return os.path.join(self.rng.choice(ds), self.rng.choice(NAMES))

	def touch(self, p):
		self.touched.add(os.lstat(p).st_ino)
		return p

	def write(self, p):
		self.written.add(os.lstat(p).st_ino)
		return p

	# Each makes one change, or raises OSError or IndexError.
	def op_create(self):
		p = self.place()
		self.note("create", p)
		with open(p, "xb") as f:
			f.write(self.bytes() if self.rng.random() < 0.8 else b"")

	def op_write(self):
		p = self.pick("f")
		self.note("write", p)
		with open(p, "r+b") as f:
			f.seek(self.rng.choice([0, 5, os.lstat(p).st_size]))
			f.write(self.bytes())

	def op_truncate(self):
		p = self.write(self.pick("f"))
		n = self.rng.choice([0, 1, 5000, 20000])
		self.note("truncate", p, n)
		os.truncate(p, n)

	def op_chmod(self):
		p = self.pick()
		if stat.S_ISLNK(os.lstat(p).st_mode):
			return
		m = self.rng.choice([0o600, 0o755, 0o700, 0o640])
		self.note("chmod", p, oct(m))
		os.chmod(self.touch(p), m)

	def op_chown(self):
		p = self.touch(self.pick())
		u = self.rng.choice([0, 1, 1000])
		self.note("chown", p, u)
		os.chown(p, u, 0, follow_symlinks=False)

	def op_xattr(self):
		p = self.touch(self.pick())
		n = "trusted." + self.rng.choice("kl")
		if n in os.listxattr(p, follow_symlinks=False):
			self.note("rmxattr", p, n)
			os.removexattr(p, n, follow_symlinks=False)
		else:
			self.note("setxattr", p, n)
			os.setxattr(p, n, self.bytes()[:20], follow_symlinks=False)

	def op_utimes(self):
		p = self.touch(self.pick())
		t = self.rng.randint(1, 10**9)
		self.note("utimes", p, t)
		os.utime(p, (t, t), follow_symlinks=False)

	def op_link(self):
		p, q = self.pick("nd"), self.place()
		self.note("link", p, q)
		os.link(p, q, follow_symlinks=False)

	def op_unlink(self):
		p = self.pick("nd")
		self.note("unlink", p)
		os.unlink(p)

	def op_rename(self):
		p, q = self.pick(), self.place()
		if self.rng.random() < 0.3:
			q = self.pick()
		self.note("rename", p, q)
		os.rename(p, q)

	def op_exchange(self):
		p, q = self.pick(), self.pick()
		self.note("exchange", p, q)
		if libc.renameat2(-100, os.fsencode(p), -100, os.fsencode(q), 2):
			raise OSError(ctypes.get_errno())

	def op_rmtree(self):
		p = self.pick("d")
		self.note("rmtree", p)
		shutil.rmtree(p)

	def op_remake(self):
		p = self.pick("d")
		self.note("remake", p)
		keep = [n for n in sorted(os.listdir(p)) if self.rng.random() < 0.5]
		shutil.rmtree(p)
		os.mkdir(p)
		for n in keep:
			with open(os.path.join(p, n), "wb") as f:
				f.write(self.bytes())

	def op_replace(self):
		p = self.pick("nd")
		self.note("replace", p)
		t = os.path.join(self.mnt, "tmp")
		with open(t, "wb") as f:
			f.write(self.bytes())
		os.rename(t, p)

	def op_mkdir(self):
		p = self.place()
		self.note("mkdir", p)
		os.mkdir(p)

	def op_symlink(self):
		p = self.place()
		self.note("symlink", p)
		os.symlink(f"s{self.rng.random()}", p)

	def op_mknod(self):
		p = self.place()
		self.note("mknod", p)
		os.mknod(p, stat.S_IFCHR | 0o600, os.makedev(1, self.rng.randint(1, 99)))

	def note(self, *words):
		self.log.append(" ".join(str(w).replace(self.mnt + "/", "") for w in words))

	def change(self):
		ops = [getattr(self, n) for n in sorted(dir(self)) if n.startswith("op_")] + [self.op_rename, self.op_write,
			self.op_link, self.op_unlink, self.op_create]
		for _ in range(self.rng.choice([1, 2, 3, 5, 8])):
			n = len(self.log)
			try:
				self.rng.choice(ops)()
			except (OSError, IndexError):
				del self.log[n:]

	@staticmethod
	def text(changes):
		letters, out = {"added": "A", "deleted": "D", "modified": "M", "metadata": "m"}, ""
		for c in changes:
			end = "/" * (c["type"] == "dir")
			if c["change"] != "renamed":
				out += f"{letters[c['change']]} {c['path']}{end}\n"
				continue
			out += f"R {c['old_path']}{end} -> {c['path']}{end}\n"
			if c["modified"] or c["metadata"]:
				out += f"{'M' if c['modified'] else 'm'} {c['path']}{end}\n"
		return out

	def compare(self, name_a, a, name_b, b):
		words = [self.up] + ([name_a] if name_a else []) + ([name_b] if name_b else [])
		text = run("diff", "--json", *words)
		changes = json.loads(text)
		wrong = Oracle(a, b, self.touched, self.written).check(changes)
		if run("diff", *words) != self.text(changes):
			wrong.append("the text tells something else")
		if wrong:
			self.wrong.append(f"seed {self.seed}: diff {name_a or '(lowers)'} {name_b or '(now)'}:\n  "
					  + "\n  ".join(wrong) + "\n" + run("diff", *words))
		return not wrong

	def check(self, base, states, now):
		ok = self.compare(None, base, None, now)
		names = list(states)
		for i, n in enumerate(names):
			ok &= self.compare(n, states[n], None, now)
			for m in names[i + 1:]:
				ok &= self.compare(n, states[n], m, states[m])
			for m in names[:i]:
				ok &= self.compare(n, states[n], m, states[m])
		return ok

	def go(self):
		self.mount()
		base, states, serial = walk(self.mnt), {}, 0
		self.base = base
		for step in range(self.rng.randint(2, 5)):
			self.change()
			now = walk(self.mnt)
			if not self.check(base, states, now):
				return
			act = self.rng.random()
			if act < 0.6:
				serial += 1
				name = f"s{serial}"
				self.note("snapshot", name)
				run("snapshot", self.up, name)
				states[name] = now
			elif act < 0.7 and states:
				name = self.rng.choice(list(states))
				self.note("delete", name)
				run("snapshot", "--delete", self.up, name)
				del states[name]
			elif act < 0.8 and states:
				name = self.rng.choice(list(states))
				self.note("rollback", name)
				run("rollback", self.up, name)
				keys = list(states)
				for k in keys[keys.index(name) + 1:]:
					del states[k]
			elif act < 0.9:
				self.note("remount")
				self.unmount()
				if self.rng.random() < 0.4:
					self.note("fork")
					run("fork", self.up, self.up + "+")
					self.up += "+"
					states = {}
				self.mount()
			now = walk(self.mnt)
			if not self.check(base, states, now):
				return

	def end(self):
		if self.mounted:
			self.unmount()
		shutil.rmtree(self.top, ignore_errors=True)


bad = 0
for n in range(ROUNDS):
	h = History(SEED + n)
	try:
		h.go()
	finally:
		h.end()
	if h.wrong:
		bad += 1
		print("\n".join(h.wrong))
		print("history: " + "; ".join(h.log))
		print("base: " + " ".join(f"{p}{'/' * e.isdir}{e.ino}" for p, e in h.base.items()), flush=True)
		if bad >= int(os.environ.get("BAD", 1)):
			break
sys.exit(1 if bad else 0)
