// SPDX-License-Identifier: Apache-2.0
/*
 * The index records, for each lower directory, its path and its fingerprint. A
 * lower that has moved is found by its new path in the configuration; one whose
 * fingerprint is another is refused, because rows speak of objects by path.
 *
 * Meta keys: lowers (how many), lower.N.path, lower.N.print, lower.N.place; since
 * (when that was written); parents (how many), parent.N.path.
 *
 * A record of the lowers (prints.h) is newer: what it says of them counts as well,
 * and its time instead of `since`.
 */
#include "overlay/lowers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/scope.h"
#include "overlay/opening.h"
#include "overlay/prints.h"

#define PRINT_SIZE 17
#define LOWERS_MANY 8 /* opening that many takes longer than to have a thread make the upper meanwhile */

/* The stack as configured or as recorded: uppers that serve as sealed deltas, then plain directories. */
struct stack {
	char **paths;
	size_t n, parents;
};

static void stack_free(struct stack *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->paths[i]);
	free(s->paths);
}

static bool is_upper(const char *path)
{
	char file[4096 + 16];
	struct stat st;
	int n = snprintf(file, sizeof(file), "%s/index.db", path);
	if (n < 0 || (size_t)n >= sizeof(file) || stat(file, &st) || !S_ISREG(st.st_mode))
		return false;
	snprintf(file, sizeof(file), "%s/data", path);
	return !stat(file, &st) && S_ISDIR(st.st_mode);
}

/* Takes over path. */
static int stack_push(struct stack *s, char *path)
{
	char **paths = path ? realloc(s->paths, (s->n + 1) * sizeof(*paths)) : NULL;
	if (!paths) {
		free(path);
		return -ENOMEM;
	}
	s->paths = paths;
	s->paths[s->n++] = path;
	return 0;
}

static int stack_from_config(const struct ovl_config *config, struct stack *s, struct vn_err *err)
{
	for (size_t i = 0; i < config->nlowers; i++) {
		const char *lower = config->lowers[i];
		bool upper = is_upper(lower);
		if (upper && s->parents < s->n)
			return vn_err_set(err, -EINVAL,
					  "lower '%s' is a veneer upper: list it in front of the directories it was made over",
					  lower);
		char *real = realpath(lower, NULL);
		if (!real)
			return vn_err_sys(err, -errno, "lower directory '%s'", lower);
		int r = stack_push(s, real);
		if (r)
			return vn_err_set(err, r, "out of memory");
		s->parents += upper;
	}
	if (s->parents == s->n && s->n)
		return vn_err_set(err, -EINVAL, "lower '%s' is a veneer upper: list the directories it was made over behind it",
				  s->paths[s->n - 1]);
	return 0;
}

static size_t meta_count(struct store *st, const char *key)
{
	vn_autofree char *value = store_meta_get(st, key);
	return value ? strtoul(value, NULL, 10) : 0;
}

static int stack_read(struct store *st, struct stack *s, const char *what, size_t n)
{
	char key[64];
	for (size_t i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "%s.%zu.path", what, i);
		int r = stack_push(s, store_meta_get(st, key));
		if (r)
			return r;
	}
	return 0;
}

/* What the upper recorded, for a configuration that names no lowers. */
static int stack_from_upper(const struct ovl_config *config, struct stack *s, struct vn_err *err)
{
	struct store_config sc = { .upper = config->upper, .readonly = true, .shared = true };
	struct store *st;
	int r = store_open(&sc, &st, err);
	if (r)
		return r;
	size_t lowers = meta_count(st, "lowers");
	s->parents = meta_count(st, "parents");
	r = stack_read(st, s, "parent", s->parents);
	if (!r)
		r = stack_read(st, s, "lower", lowers);
	store_close(st);
	if (r || !lowers)
		return vn_err_set(err, r ? r : -EINVAL, "'%s' does not record its lower directories: name them", config->upper);
	return 0;
}

/* ---- fingerprints ---- */

/* Facts on their way into the index. */
struct facts {
	struct store_fact *v;
	size_t n;
};

static void facts_free(struct facts *f)
{
	for (size_t i = 0; i < f->n; i++) {
		free(f->v[i].key);
		free(f->v[i].value);
	}
	free(f->v);
}

/* Takes key, which may be NULL for want of memory. */
static int facts_add(struct facts *f, char *key, const char *value)
{
	struct store_fact *fact = &f->v[f->n];

	*fact = (struct store_fact){ key, strdup(value) };
	f->n++;
	return fact->key && fact->value ? 0 : -ENOMEM;
}

static char *facts_key(const char *what, size_t i, const char *field)
{
	char *key = NULL;

	return asprintf(&key, "%s.%zu.%s", what, i, field) < 0 ? NULL : key;
}

static int facts_count(struct facts *f, const char *key, int64_t n)
{
	char count[32];

	snprintf(count, sizeof(count), "%" PRId64, n);
	return facts_add(f, strdup(key), count);
}

static int facts_place(struct facts *f, struct base *b, size_t i)
{
	char place[48];
	uint64_t ino;
	int64_t btime;
	int r = base_place(b, i, &ino, &btime);

	if (r)
		return r;
	snprintf(place, sizeof(place), "%" PRIu64 ".%" PRId64, ino, btime);
	return facts_add(f, facts_key("lower", i, "place"), place);
}

static int facts_fill(struct facts *f, struct base *b, const struct stack *s)
{
	char print[PRINT_SIZE];
	size_t lowers = s->n - s->parents;
	int r = 0;

	for (size_t i = 0; !r && i < s->parents; i++)
		r = facts_add(f, facts_key("parent", i, "path"), s->paths[i]);
	for (size_t i = 0; !r && i < lowers; i++) {
		r = base_fingerprint(b, i, print);
		if (!r)
			r = facts_add(f, facts_key("lower", i, "print"), print);
		if (!r)
			r = facts_add(f, facts_key("lower", i, "path"), s->paths[s->parents + i]);
		if (!r)
			r = facts_place(f, b, i);
	}
	if (!r)
		r = facts_count(f, "since", vn_now_ns());
	if (!r)
		r = facts_count(f, "parents", (int64_t)s->parents);
	return r ? r : facts_count(f, "lowers", (int64_t)lowers);
}

/* What the index is to say of the stack. */
static int facts_gather(struct facts *f, struct base *b, const struct stack *s)
{
	f->v = calloc(3 * s->n + 3, sizeof(*f->v));
	return f->v ? facts_fill(f, b, s) : -ENOMEM;
}

/*
 * Writes the stack into the index, all of it or nothing, with one flush however many layers there are.
 * *f may have been gathered before.
 */
static int stack_record(struct store *st, struct base *b, const struct stack *s, struct facts *f)
{
	int r = f->v ? 0 : facts_gather(f, b, s);

	return r ? r : store_meta_set_all(st, f->v, f->n);
}

/* Is the fingerprint what the index or the record has? *old: where the lower was. */
static int stack_known(struct store *st, struct base *b, const struct prints_head *record, size_t i, bool *known, char **old)
{
	char key[64], print[PRINT_SIZE];
	snprintf(key, sizeof(key), "lower.%zu.print", i);
	vn_autofree char *recorded = store_meta_get(st, key);
	snprintf(key, sizeof(key), "lower.%zu.path", i);
	int r = base_fingerprint(b, i, print);
	if (r)
		return r;
	*known = (recorded && !strcmp(recorded, print)) || (i < record->n && record->places[i].kind == OVL_PLACE_LOWER &&
							    record->places[i].id == strtoull(print, NULL, 16));
	*old = store_meta_get(st, key);
	return 0;
}

static int stack_check_one(struct store *st, struct base *b, const struct prints_head *record, size_t i,
			   const char *upper, const char *path, struct vn_err *err)
{
	vn_autofree char *old = NULL;
	bool known;
	int r = stack_known(st, b, record, i, &known, &old);
	if (r)
		return vn_err_sys(err, r, "lower directory '%s'", path);
	if (known)
		return 0;
	return vn_err_set(err, -ESTALE,
			  "lower directory '%s' is not what upper '%s' was made over ('%s', or its content has changed): "
			  "name the right one, or accept it with -o accept_changed_lowers; 'veneer check --deep' tells what has changed",
			  path, upper, old ? old : "?");
}

/* The head of the upper's record; empty where there is none that can be used. */
static struct prints_head stack_prints(struct store *st)
{
	struct prints_head h = { 0 };
	uint8_t upper[16];
	if (!store_upper_id(st, upper) && store_dirfd(st) >= 0)
		(void)prints_head_read(store_dirfd(st), upper, &h); /* a damaged one is check's business */
	return h;
}

/* Compares the stack with the record in an index. */
static int stack_check(struct store *st, struct base *b, const struct prints_head *record, const struct stack *s,
		       const char *upper, bool accept, struct vn_err *err)
{
	size_t lowers = s->n - s->parents, recorded = meta_count(st, "lowers");
	if (recorded != lowers)
		return vn_err_set(err, -EINVAL, "upper '%s' was made over %zu lower directories, %zu are given: name the same ones",
				  upper, recorded, lowers);
	for (size_t i = 0; i < lowers && !accept; i++) {
		int r = stack_check_one(st, b, record, i, upper, s->paths[s->parents + i], err);
		if (r)
			return r;
	}
	return 0;
}

/* An upper that serves as a delta must have been made over these lowers. */
static int stack_check_parents(const struct ovl_config *config, struct base *b, const struct stack *s,
			       struct vn_err *err)
{
	for (size_t i = 0; i < s->parents; i++) {
		struct store_config sc = { .upper = s->paths[i], .readonly = true, .shared = true };
		struct store *st;
		int r = store_open(&sc, &st, err);
		if (r)
			return r;
		struct prints_head record = stack_prints(st);
		r = stack_check(st, b, &record, s, s->paths[i], config->accept_changed_lowers, err);
		prints_head_fini(&record);
		store_close(st);
		if (r)
			return r;
	}
	return 0;
}

/* ---- since when nothing may have changed ---- */

static int watch_one(struct store *st, struct base *b, const struct prints_head *record, size_t i, int64_t since,
		     const char *upper)
{
	char key[64];
	uint64_t ino = 0;
	int64_t btime = 0;
	if (i < record->n && record->places[i].kind == OVL_PLACE_LOWER)
		return base_watch(b, i, record->made, record->places[i].ino, record->places[i].btime, upper);
	snprintf(key, sizeof(key), "lower.%zu.place", i);
	vn_autofree char *place = store_meta_get(st, key);
	if (place && sscanf(place, "%" SCNu64 ".%" SCNd64, &ino, &btime) != 2)
		ino = 0;
	return since ? base_watch(b, i, since, ino, btime, upper) : 0;
}

static int lowers_watch(struct store *st, struct base *b, const struct prints_head *record, const char *upper)
{
	vn_autofree char *since = store_meta_get(st, "since");
	int r = 0;
	for (size_t i = 0; !r && i < base_layers(b); i++)
		r = watch_one(st, b, record, i, since ? strtoll(since, NULL, 10) : 0, upper);
	return r;
}

/* An upper that has been used: are these its lowers? */
static int lowers_known(const struct ovl_config *config, const struct stack *s, struct base *b, struct store *st,
			struct vn_err *err)
{
	struct prints_head record = stack_prints(st);
	int r = stack_check(st, b, &record, s, config->upper, config->accept_changed_lowers, err);
	bool quiet = config->quiet_lowers || config->accept_changed_lowers;
	if (!r && lowers_watch(st, b, &record, quiet ? NULL : config->upper))
		r = vn_err_set(err, -ENOMEM, "out of memory");
	prints_head_fini(&record);
	return r;
}

static struct store_config lowers_store_config(const struct ovl_config *config, const struct stack *s)
{
	return (struct store_config){
		.upper = config->upper, .create = config->create_upper, .readonly = config->readonly,
		.shared = config->shared, .snapshot = config->snapshot, .parents = (const char *const *)s->paths, .nparents = s->parents,
		.commit_s = config->commit_s, .is_volatile = config->is_volatile, .journal_size = config->journal_size,
	};
}

/* The store has been opened: does it belong to these lowers? One that is new does from now on. */
static int lowers_bind(const struct ovl_config *config, const struct stack *s, struct base *b, struct store *store,
		       struct facts *f, struct vn_err *err)
{
	if (meta_count(store, "lowers"))
		return lowers_known(config, s, b, store, err);
	if (config->readonly)
		return vn_err_set(err, -EINVAL, "'%s' was never mounted: there is nothing to look at", config->upper);
	int r = stack_record(store, b, s, f);
	return r ? vn_err_sys(err, r, "cannot record the lower directories in '%s'", config->upper) : 0;
}

static int lowers_open_store(const struct ovl_config *config, const struct stack *s, struct base *b,
			     struct opening *o, struct store **store, struct vn_err *err)
{
	struct store_config sc = lowers_store_config(config, s);
	struct facts f = { 0 };
	*store = NULL;
	if (!config->upper && !s->parents)
		return 0;
	int r = stack_check_parents(config, b, s, err);
	if (!r && o->begun && (r = facts_gather(&f, b, s)))
		vn_err_sys(err, r, "cannot record the lower directories in '%s'", config->upper);
	if (!r)
		r = opening_end(o, &sc, store, err);
	bool opened = !r;
	if (opened && config->upper)
		r = lowers_bind(config, s, b, *store, &f, err);
	facts_free(&f);
	if (r && opened) {
		store_close(*store);
		*store = NULL;
	}
	return r;
}

/*
 * The upper must exist before the base is opened, which hides it where it lies
 * in a lower. *made: it was made here, and goes again on failure.
 */
static int lowers_make_upper(const struct ovl_config *config, bool *made, struct vn_err *err)
{
	*made = false;
	if (!config->upper || !config->create_upper || config->readonly)
		return 0;
	if (!mkdir(config->upper, 0700))
		*made = true;
	else if (errno != EEXIST)
		return vn_err_sys(err, -errno, "cannot make the upper directory '%s'", config->upper);
	return 0;
}

int ovl_lowers_open(const struct ovl_config *config, struct base **base, struct store **store, struct vn_err *err)
{
	struct stack s = { 0 };
	struct opening o = { 0 };
	struct store_config sc;
	bool made = false;
	*base = NULL;
	int r = config->nlowers ? stack_from_config(config, &s, err) :
		config->upper ? stack_from_upper(config, &s, err) :
				vn_err_set(err, -EINVAL, "no lower directory is given: name at least one");
	if (!r)
		r = lowers_make_upper(config, &made, err);
	if (!r) {
		struct base_config bc = { .lowers = (const char *const *)s.paths + s.parents, .nlowers = s.n - s.parents,
					  .exclude = config->upper, .noxattr_markers = config->noxattr_markers };
		sc = lowers_store_config(config, &s);
		if (config->upper && config->create_upper && !config->readonly && !s.parents && s.n >= LOWERS_MANY)
			opening_begin(&o, &sc);
		r = base_open(&bc, base, err);
	}
	if (!r)
		r = lowers_open_store(config, &s, *base, &o, store, err);
	opening_abandon(&o);
	if (r && *base) {
		base_close(*base);
		*base = NULL;
	}
	if (r && made)
		rmdir(config->upper); /* still empty, unless the store got further: then it stays to be looked at */
	stack_free(&s);
	return r;
}

static int check_one(struct ovl_tree *t, const struct prints_head *record, size_t i, ovl_problem_fn problem, void *arg)
{
	vn_autofree char *old = NULL, *text = NULL;
	bool known;
	int r = stack_known(t->store, t->base, record, i, &known, &old);
	if (r || known)
		return r;
	if (asprintf(&text, "the root directory of lower '%s' is not the one that the layer was made over, or names in it have changed",
		     base_layer_path(t->base, i)) < 0) {
		text = NULL;
		return -ENOMEM;
	}
	if (problem)
		problem(arg, text);
	return 1;
}

int ovl_check_lowers(struct ovl_tree *t, ovl_problem_fn problem, void *arg)
{
	struct prints_head record = stack_prints(t->store);
	int r = 0, n = 0;
	for (size_t i = 0; r >= 0 && i < base_layers(t->base); i++) {
		r = check_one(t, &record, i, problem, arg);
		n += r > 0;
	}
	prints_head_fini(&record);
	return r < 0 ? r : n;
}
