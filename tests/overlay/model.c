// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../check_main.h"
#include "store/fault.h"

struct model *model_new(uint64_t seed)
{
	struct model *m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(m, MAP_FAILED);
	if (getenv("SEED"))
		seed = strtoull(getenv("SEED"), NULL, 0);
	printf("# SEED=%llu\n", (unsigned long long)seed);
	m->random = seed;
	m->changing = -1;
	for (unsigned i = 0; i < MODEL_FILES; i++)
		snprintf(m->files[i].name, sizeof(m->files[i].name), "file%u", i);
	return m;
}

/* splitmix64 */
uint64_t model_random(struct model *m, uint64_t below)
{
	uint64_t z = m->random += UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return (z ^ z >> 31) % below;
}

static void model_fill(struct model *m, uint8_t *at, size_t n)
{
	uint64_t word = model_random(m, UINT64_MAX);

	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(word >> 8 * (i & 7)) | 1; /* never zero: holes are told apart */
}

/* ---- lowers ---- */

void model_lower(struct model *m, struct engine *e, unsigned file, uint64_t size)
{
	struct model_file *f = &m->files[file];
	char path[512];
	uint64_t pos = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", e->lowers[0], f->name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, (off_t)size), 0);
	f->size = size;
	while (pos < size) {
		uint64_t len = 1 + model_random(m, 200000);

		if (len > size - pos)
			len = size - pos;
		if (model_random(m, 3)) {
			model_fill(m, f->bytes + pos, len);
			ck_assert_int_eq(pwrite(fd, f->bytes + pos, len, (off_t)pos), (ssize_t)len);
		}
		pos += len;
	}
	close(fd);
}

/* ---- checks ---- */

/* ck_assert writes to a pipe whenever it passes, which is too slow for bytes. */
#define CHECK(cond, format, ...)                                                                   \
	do {                                                                                       \
		if (!(cond))                                                                       \
			ck_abort_msg("%s after %u operations (%s): " format, f->name, m->done, what, __VA_ARGS__); \
	} while (0)

static uint8_t buffer[MODEL_MAX + 65536];

static void check_range(struct model *m, struct engine *e, struct model_file *f, uint64_t off, size_t len,
			const char *what)
{
	size_t cut = len / 3, want = off >= f->size ? 0 : len < f->size - off ? len : f->size - off;
	struct iovec iov[2] = {{buffer, cut}, {buffer + cut, len - cut}};
	ssize_t got;

	memset(buffer, 0xee, len);
	got = e->fs->ops->read(e->fs, &e->ctx, f->node, off, iov, 2);
	CHECK(got == (ssize_t)want, "read %zd of %zu at %llu", got, want, (unsigned long long)off);
	for (size_t i = 0; i < want; i++)
		CHECK(buffer[i] == f->bytes[off + i], "byte %llu is %02x, not %02x",
			      (unsigned long long)(off + i), buffer[i], f->bytes[off + i]);
}

static void check_size(struct model *m, struct engine *e, struct model_file *f, const char *what)
{
	struct vn_attr attr;
	int r = e->fs->ops->getattr(e->fs, &e->ctx, f->node, &attr);

	CHECK(!r, "getattr: %s", strerror(-r));
	CHECK(attr.size == f->size, "size %llu, not %llu", (unsigned long long)attr.size,
		      (unsigned long long)f->size);
}

static bool all_zero(const uint8_t *at, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		if (at[i])
			return false;
	}
	return true;
}

/* Holes must be zeros; what is data may be zeros, too. */
static void check_seek(struct model *m, struct engine *e, struct model_file *f, uint64_t from, const char *what)
{
	int64_t pos = (int64_t)from;

	for (int i = 0; i < 100 && (uint64_t)pos < f->size; i++) {
		int64_t data = e->fs->ops->lseek(e->fs, &e->ctx, f->node, pos, SEEK_DATA);
		int64_t end = data == -ENXIO ? (int64_t)f->size : data;

		CHECK(end >= pos && (uint64_t)end <= f->size, "SEEK_DATA %lld: %lld", (long long)pos,
			      (long long)data);
		CHECK(all_zero(f->bytes + pos, (uint64_t)(end - pos)), "hole over data at %lld",
			      (long long)pos);
		if (data == -ENXIO)
			return;
		pos = e->fs->ops->lseek(e->fs, &e->ctx, f->node, data, SEEK_HOLE);
		CHECK(pos > data && (uint64_t)pos <= f->size, "SEEK_HOLE %lld: %lld", (long long)data,
			      (long long)pos);
	}
	if ((uint64_t)pos == f->size) {
		ck_assert_int_eq(e->fs->ops->lseek(e->fs, &e->ctx, f->node, pos, SEEK_DATA), -ENXIO);
		ck_assert_int_eq(e->fs->ops->lseek(e->fs, &e->ctx, f->node, pos, SEEK_HOLE), -ENXIO);
	}
}

static void check_file(struct model *m, struct engine *e, struct model_file *f, const char *what)
{
	struct vn_attr attr;

	check_size(m, e, f, what);
	check_range(m, e, f, 0, f->size + 100, what);
	check_seek(m, e, f, 0, what);
	ck_assert_int_eq(e->fs->ops->getattr(e->fs, &e->ctx, f->node, &attr), 0);
	CHECK(attr.blocks || all_zero(f->bytes, f->size), "no blocks in %llu bytes", (unsigned long long)f->size);
}

void model_check(struct model *m, struct engine *e)
{
	for (unsigned i = 0; i < MODEL_FILES; i++)
		check_file(m, e, &m->files[i], "whole");
}

void model_find(struct model *m, struct engine *e)
{
	for (unsigned i = 0; i < MODEL_FILES; i++) {
		int r = e_node(e, m->files[i].name, &m->files[i].node);

		if (r == -ENOENT && !m->files[i].size) {
			ck_assert_int_eq(e_create(e, m->files[i].name, 0644), 0);
			r = e_node(e, m->files[i].name, &m->files[i].node);
		}
		ck_assert_int_eq(r, 0);
	}
}

/* ---- operations ---- */

/* Offsets: anywhere, at the end, and at block borders. */
static uint64_t some_offset(struct model *m, const struct model_file *f)
{
	switch (model_random(m, 6)) {
	case 0:
		return f->size;
	case 1:
		return model_random(m, MODEL_MAX / 65536) * 65536;
	case 2:
		return model_random(m, MODEL_MAX);
	default:
		return f->size ? model_random(m, f->size) : 0;
	}
}

static size_t some_length(struct model *m, uint64_t off)
{
	static const uint32_t sizes[] = {1, 100, 4096, 5000, 65536, 140000, 400000};
	size_t len = 1 + model_random(m, sizes[model_random(m, sizeof(sizes) / sizeof(sizes[0]))]);

	if (model_random(m, 4) == 0)
		len = (len + 4095) / 4096 * 4096;
	return len < MODEL_MAX - off ? len : MODEL_MAX - off;
}

static void grow(struct model_file *f, uint64_t size)
{
	if (size > f->size)
		f->size = size; /* behind the size the model has zeros */
}

/* Bytes are put, the length is set, or space is taken behind a gap. */
static void stretch(struct model *m, const struct model_file *f, uint64_t from, uint64_t end)
{
	if (m->past && from > f->size && end > f->size)
		m->past[f - m->files].stretched = true;
}

/* Begins a change: the returned copy is to be what the file will be. */
static struct model_file *plan(struct model *m, struct model_file *f)
{
	m->next = *f;
	__atomic_store_n(&m->changing, (int)(f - m->files), __ATOMIC_SEQ_CST);
	return &m->next;
}

static void remember(struct model *m, const struct model_file *f, const struct model_file *now)
{
	struct model_past *past = m->past + (f - m->files);

	past->least = now->size < past->least ? now->size : past->least;
	past->most = now->size > past->most ? now->size : past->most;
	past->changed = true;
	for (uint64_t i = 0; i < now->size; i++)
		past->seen[i] |= UINT32_C(1) << (now->bytes[i] & 31);
}

static void flushed(struct model *m, const struct model_file *f)
{
	struct model_past *past = m->past + (f - m->files);

	past->least = past->most = f->size;
	past->changed = past->stretched = false;
	for (uint64_t i = 0; i < MODEL_MAX; i++)
		past->seen[i] = i < f->size ? UINT32_C(1) << (f->bytes[i] & 31) : 0;
}

void model_remember(struct model *m)
{
	m->past = mmap(NULL, MODEL_FILES * sizeof(*m->past), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(m->past, MAP_FAILED);
	for (unsigned i = 0; i < MODEL_FILES; i++) {
		flushed(m, &m->files[i]);
		memcpy(m->past[i].below, m->files[i].bytes, MODEL_MAX);
	}
}

static void settle(struct model *m, struct model_file *f)
{
	if (m->past)
		remember(m, f, &m->next);
	*f = m->next;
	__atomic_store_n(&m->changing, -1, __ATOMIC_SEQ_CST);
}

/* A change that failed or was cut short: each byte is old or new. The model is then what was found. */
static void accept_file(struct model *m, struct engine *e, struct model_file *f, const char *what)
{
	uint64_t least = f->size < m->next.size ? f->size : m->next.size;
	uint64_t most = f->size > m->next.size ? f->size : m->next.size;
	struct iovec iov = {buffer, sizeof(buffer)};
	ssize_t got = e->fs->ops->read(e->fs, &e->ctx, f->node, 0, &iov, 1);

	CHECK(got >= 0 && (uint64_t)got >= least && (uint64_t)got <= most, "size %zd, not %llu or %llu", got,
	      (unsigned long long)f->size, (unsigned long long)m->next.size);
	for (ssize_t i = 0; i < got; i++)
		CHECK(buffer[i] == f->bytes[i] || buffer[i] == m->next.bytes[i], "byte %zd is %02x, not %02x or %02x", i,
		      buffer[i], f->bytes[i], m->next.bytes[i]);
	memcpy(f->bytes, buffer, (size_t)got);
	memset(f->bytes + got, 0, MODEL_MAX - (size_t)got);
	f->size = (uint64_t)got;
}

/* With faults on: arms one for the next change, perhaps. */
static void arm(struct model *m)
{
	if (m->faults && model_random(m, 3) == 0)
		fault_arm(model_random(m, 4) ? FAULT_APPEND : FAULT_DATA_NEW, 1 + (unsigned)model_random(m, 3), ENOSPC, false);
}

/* Did the change fail for the fault that was armed? Then the model follows what is there. */
static bool failed(struct model *m, struct engine *e, struct model_file *f, int64_t r, int64_t want, const char *what)
{
	fault_disarm_all();
	if (!m->faults || r == want)
		return false;
	CHECK(r == -ENOSPC || (r > 0 && r < want), "%lld, not ENOSPC", (long long)r);
	accept_file(m, e, f, what);
	m->changing = -1;
	return true;
}

static void do_write(struct model *m, struct engine *e, struct model_file *f, const char *what)
{
	bool append = model_random(m, 8) == 0;
	uint64_t off = append ? f->size : some_offset(m, f);
	size_t len = off < MODEL_MAX ? some_length(m, off) : 0;
	size_t cut = len ? model_random(m, len) : 0;
	struct iovec iov[3] = {{buffer, cut}, {NULL, 0}, {buffer + cut, len - cut}};
	struct model_file *next = plan(m, f);
	ssize_t put;

	model_fill(m, buffer, len);
	memcpy(next->bytes + off, buffer, len);
	if (len)
		grow(next, off + len);
	stretch(m, f, off, next->size);
	arm(m);
	put = e->fs->ops->write(e->fs, &e->ctx, f->node, append ? 0 : off, iov, 3, append ? VN_WRITE_APPEND : 0);
	if (failed(m, e, f, put, (int64_t)len, what))
		return;
	CHECK(put == (ssize_t)len, "wrote %zd of %zu at %llu", put, len, (unsigned long long)off);
	settle(m, f);
	check_range(m, e, f, off > 5000 ? off - 5000 : 0, len + 10000, what);
}

static void do_truncate(struct model *m, struct engine *e, struct model_file *f, const char *what)
{
	uint64_t size = model_random(m, 5) == 0 ? 0 : model_random(m, 2) ? some_offset(m, f) : model_random(m, f->size + 1);
	const struct vn_setattr set = {.valid = VN_SET_SIZE, .size = size};
	struct model_file *next = plan(m, f);
	struct vn_attr attr;
	int r;

	if (size < f->size)
		memset(next->bytes + size, 0, f->size - size);
	next->size = size;
	stretch(m, f, size, size);
	arm(m);
	r = e->fs->ops->setattr(e->fs, &e->ctx, f->node, &set, &attr);
	if (failed(m, e, f, r, 0, what))
		return;
	CHECK(!r, "truncate to %llu: %s", (unsigned long long)size, strerror(-r));
	ck_assert_uint_eq(attr.size, size);
	settle(m, f);
	check_range(m, e, f, size > 70000 ? size - 70000 : 0, 80000, what);
}

static void do_fallocate(struct model *m, struct engine *e, struct model_file *f, const char *what)
{
	static const uint32_t modes[] = {0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
					 FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE};
	uint32_t mode = modes[model_random(m, sizeof(modes) / sizeof(modes[0]))];
	uint64_t off = some_offset(m, f);
	size_t len = off < MODEL_MAX ? some_length(m, off) : 0;
	uint64_t end = off + len < f->size ? off + len : f->size;
	struct model_file *next = plan(m, f);
	int r;

	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) && off < end)
		memset(next->bytes + off, 0, end - off);
	if (!(mode & FALLOC_FL_KEEP_SIZE))
		grow(next, off + len);
	stretch(m, f, off + len, off + len);
	arm(m);
	r = !len ? -EOPNOTSUPP : e->fs->ops->fallocate(e->fs, &e->ctx, f->node, mode, off, len);
	if (r == -EOPNOTSUPP)
		fault_disarm_all();
	else if (failed(m, e, f, r, 0, what))
		return;
	if (r == -EOPNOTSUPP)
		m->next = *f;
	else
		CHECK(!r, "fallocate %u: %s", mode, strerror(-r));
	settle(m, f);
	check_range(m, e, f, off > 5000 ? off - 5000 : 0, len + 10000, what);
}

static void do_copy(struct model *m, struct engine *e, struct model_file *f, const char *what)
{
	struct model_file *in = &m->files[model_random(m, MODEL_FILES)];
	uint64_t off_in = some_offset(m, in), off = some_offset(m, f);
	size_t len = off < MODEL_MAX ? some_length(m, off) : 0;
	size_t want = off_in >= in->size ? 0 : len < in->size - off_in ? len : in->size - off_in;
	bool overlap = in == f && len && (off > off_in ? off - off_in : off_in - off) < len;
	struct model_file *next = plan(m, f);
	ssize_t done;

	if (overlap)
		want = 0;
	memcpy(next->bytes + off, in->bytes + off_in, want);
	if (want)
		grow(next, off + want);
	stretch(m, f, off, next->size);
	arm(m);
	done = e->fs->ops->copy_file_range(e->fs, &e->ctx, in->node, off_in, f->node, off, len, 0);
	if (failed(m, e, f, done, overlap ? -EINVAL : (int64_t)want, what))
		return;
	CHECK(done == (overlap ? -EINVAL : (ssize_t)want), "copied %zd of %zu", done, want);
	settle(m, f);
	check_range(m, e, f, off > 5000 ? off - 5000 : 0, len + 10000, what);
}

static void do_row(struct model *m, struct engine *e, struct model_file *f)
{
	const struct vn_setattr set = {.valid = VN_SET_MODE, .mode = 0600 + (uint32_t)model_random(m, 070)};
	struct vn_attr attr;

	ck_assert_int_eq(e->fs->ops->setattr(e->fs, &e->ctx, f->node, &set, &attr), 0);
}

static void do_fsync(struct model *m, struct engine *e, struct model_file *f, const char *what)
{
	int r = e->fs->ops->fsync(e->fs, &e->ctx, f->node, model_random(m, 2));

	CHECK(!r, "fsync: %s", strerror(-r));
	if (m->past)
		flushed(m, f);
}

void model_step(struct model *m, struct engine *e)
{
	struct model_file *f = &m->files[model_random(m, MODEL_FILES)];
	uint64_t kind = model_random(m, 24);

	if (kind < 9)
		do_write(m, e, f, "write");
	else if (kind < 12)
		do_truncate(m, e, f, "truncate");
	else if (kind < 15)
		do_fallocate(m, e, f, "fallocate");
	else if (kind < 17)
		do_copy(m, e, f, "copy");
	else if (kind == 17)
		do_row(m, e, f);
	else if (kind == 18)
		do_fsync(m, e, f, "fsync");
	else if (kind == 19)
		ck_assert_int_eq(ovl_settle(e->tree), 0);
	else if (kind < 22)
		check_seek(m, e, f, f->size ? model_random(m, f->size) : 0, "seek");
	else
		check_file(m, e, f, "file");
	check_size(m, e, f, "step");
	m->done++;
}

/* ---- after a death ---- */

void model_accept(struct model *m, struct engine *e)
{
	if (m->changing >= 0)
		accept_file(m, e, &m->files[m->changing], "killed");
	m->changing = -1;
	model_check(m, e);
}

static void accept_past(struct model *m, struct engine *e, struct model_file *f)
{
	struct model_past *past = m->past + (f - m->files);
	struct iovec iov = {buffer, sizeof(buffer)};
	const char *what = past->changed ? "cut, changed" : "cut, flushed";
	bool zeros = past->stretched || (past->changed && !m->strict);
	ssize_t got = e->fs->ops->read(e->fs, &e->ctx, f->node, 0, &iov, 1);

	CHECK(got >= 0 && (uint64_t)got >= past->least && (uint64_t)got <= past->most, "size %zd, not %llu to %llu", got,
	      (unsigned long long)past->least, (unsigned long long)past->most);
	for (ssize_t i = 0; i < got; i++)
		CHECK((past->changed && buffer[i] == past->below[i]) || (zeros && !buffer[i]) ||
			      past->seen[i] & UINT32_C(1) << (buffer[i] & 31),
		      "byte %zd of %zd is %02x, never seen", i, got, buffer[i]);
	memcpy(f->bytes, buffer, (size_t)got);
	memset(f->bytes + got, 0, MODEL_MAX - (size_t)got);
	f->size = (uint64_t)got;
	flushed(m, f);
	past->changed = true;
}

void model_accept_cut(struct model *m, struct engine *e)
{
	if (m->changing >= 0)
		remember(m, &m->files[m->changing], &m->next);
	m->changing = -1;
	for (unsigned i = 0; i < MODEL_FILES; i++)
		accept_past(m, e, &m->files[i]);
	model_check(m, e);
}
