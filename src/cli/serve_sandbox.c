// SPDX-License-Identifier: Apache-2.0
/* What the sandbox of `veneer serve` leaves open: see sandbox.h. */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/scope.h"
#include "cli/serve.h"
#include "overlay/overlay.h"
#include "store/store.h"

struct places {
	struct words paths; /* owns them */
	enum sandbox_right *rights;
};

static int places_add(struct places *p, const char *path, enum sandbox_right right)
{
	enum sandbox_right *grown = reallocarray(p->rights, p->paths.n + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	p->rights = grown;
	p->rights[p->paths.n] = right;
	return words_add(&p->paths, path, strlen(path));
}

static void places_fini(struct places *p)
{
	words_fini(&p->paths);
	free(p->rights);
}

/* A sealed delta in another upper, and the list there of who needs it, from which a deleted fork takes itself. */
static int places_add_delta(void *places, const char *path)
{
	vn_autofree char *refs = NULL;
	int rc = places_add(places, path, SANDBOX_READ);

	if (rc)
		return rc;
	if (asprintf(&refs, "%s/../../refs", path) < 0) {
		refs = NULL;
		return -ENOMEM;
	}
	return places_add(places, refs, SANDBOX_REMOVE);
}

static int places_add_parent(struct places *p, const char *path, enum sandbox_right right)
{
	vn_autofree char *copy = strdup(path);

	return copy ? places_add(p, dirname(copy), right) : -ENOMEM;
}

/* An upper may stand on deltas elsewhere, also when it is used as a layer. A damaged one is refused when it is opened. */
static int places_add_layer(struct places *p, const char *path, enum sandbox_right right)
{
	int rc = places_add(p, path, right);

	if (!rc)
		rc = store_places(path, places_add_delta, p);
	return rc == -ENOMEM ? rc : 0;
}

static int places_add_stack(struct places *p, struct store *st, const char *what)
{
	char key[64];
	int rc = 0;

	snprintf(key, sizeof(key), "%ss", what);
	vn_autofree char *count = store_meta_get(st, key);

	for (unsigned long i = 0; count && i < strtoul(count, NULL, 10) && !rc; i++) {
		snprintf(key, sizeof(key), "%s.%lu.path", what, i);
		vn_autofree char *path = store_meta_get(st, key);

		rc = path ? places_add_layer(p, path, SANDBOX_READ) : 0;
	}
	return rc;
}

/* What the upper records, when no layers are named. One that cannot be read is refused when it is opened. */
static int places_add_recorded(struct places *p, const char *upper)
{
	struct store_config config = {.upper = upper, .readonly = true, .shared = true};
	struct vn_err ignored = {0};
	struct store *st;
	int rc = store_open(&config, &st, &ignored);

	if (rc)
		return 0;
	rc = places_add_stack(p, st, "lower");
	if (!rc)
		rc = places_add_stack(p, st, "parent");
	store_close(st);
	return rc;
}

static int places_add_layers(struct places *p, const struct serve *s)
{
	const struct layers *l = &s->layers;
	int rc = 0;

	for (size_t i = 0; i < l->lowers.n && !rc; i++)
		rc = places_add_layer(p, l->lowers.v[i], SANDBOX_READ);
	if (!rc && l->upper)
		rc = places_add_layer(p, l->upper, SANDBOX_WRITE);
	return rc || l->lowers.n || !l->upper ? rc : places_add_recorded(p, l->upper);
}

/* Kept views of the lowers; that a view is of what this process sees is told by its mappings of users, too. */
static int places_add_views(struct places *p, const struct serve *s)
{
	const char *cache = s->mount.base_cache;
	int rc = places_add(p, "/proc/self/uid_map", SANDBOX_READ);

	if (!rc)
		rc = places_add(p, "/proc/self/gid_map", SANDBOX_READ);
	if (rc || !cache)
		return rc;
	if (s->mount.make_base_cache)
		mkdir(cache, 0700); /* in vain where it exists; else the tree says why it cannot be opened */
	return places_add(p, cache, SANDBOX_WRITE);
}

/* Without a keeper we make the socket ourselves, and take back an upper that could not be opened. */
static int places_add_own(struct places *p, const struct serve *s)
{
	int rc = 0;

	for (size_t i = 0; i < s->mount.nvirtuals && !rc; i++) {
		if (s->mount.virtuals[i].host_file)
			rc = places_add(p, s->mount.virtuals[i].host_file, SANDBOX_READ);
	}
	if (!rc)
		rc = places_add(p, "/dev/urandom", SANDBOX_READ); /* SQLite */
	if (!rc && s->control < 0 && s->socket)
		rc = places_add_parent(p, s->socket, SANDBOX_SOCKET);
	if (!rc && s->control < 0 && s->layers.upper_was == UPPER_MISSING)
		rc = places_add_parent(p, s->layers.upper, SANDBOX_EMPTY);
	return rc;
}

static int fence(const struct sandbox *sandbox, const struct places *p, struct vn_err *err)
{
	vn_autofree struct sandbox_place *places = calloc(p->paths.n, sizeof(*places));

	if (!places)
		return vn_err_sys(err, -ENOMEM, "the sandbox cannot be made");
	for (size_t i = 0; i < p->paths.n; i++)
		places[i] = (struct sandbox_place){p->paths.v[i], p->rights[i]};
	return sandbox_files(sandbox, places, p->paths.n, err);
}

int serve_sandbox_files(struct serve *s, struct vn_err *err)
{
	struct places p = {0};
	int rc = places_add_layers(&p, s);

	if (!rc)
		rc = places_add_views(&p, s);
	if (!rc)
		rc = places_add_own(&p, s);
	rc = rc ? vn_err_sys(err, rc, "the sandbox cannot be made") : fence(&s->sandbox, &p, err);
	places_fini(&p);
	return rc;
}

int serve_sandbox_calls(struct serve *s, struct vn_err *err)
{
	return sandbox_calls(&s->sandbox, err);
}
