// SPDX-License-Identifier: Apache-2.0
/* Facts that the tree keeps in the index under "tree.": which layers it was made over, and the like. */
#include "store/state.h"

#include "base/scope.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *fact_key(const char *key)
{
	char *full = NULL;

	return asprintf(&full, "tree.%s", key) < 0 ? NULL : full;
}

/* Of a head without rows through the connection that is there: reading it would open another one. */
static int fact_read(struct store *s, const char *full, char **text)
{
	vn_autounlock pthread_mutex_t *held = NULL;

	if (!__atomic_load_n(&s->order[0].blank, __ATOMIC_ACQUIRE))
		return delta_meta_text(&s->order[0], full, text);
	held = vn_lock(&s->write_lock);
	return s->writer.db ? meta_get_text(s->writer.db, full, text) : -EROFS;
}

char *store_meta_get(struct store *s, const char *key)
{
	vn_autofree char *full = fact_key(key);
	char *text = NULL;

	if (!full || (!s->has_head && !s->at_snapshot) || fact_read(s, full, &text))
		return NULL;
	return text;
}

/* A fact without a value is taken away. */
static int fact_write_one(struct writer *w, const struct store_fact *f)
{
	vn_autofree char *full = fact_key(f->key);

	if (!full)
		return -ENOMEM;
	return f->value ? writer_meta_text(w, full, f->value) : meta_set_text(w->db, full, NULL);
}

static int fact_write(struct writer *w, const struct store_fact *facts, size_t n)
{
	int rc = writer_begin(w);

	for (size_t i = 0; !rc && i < n; i++)
		rc = fact_write_one(w, &facts[i]);
	if (!rc)
		return writer_commit(w);
	writer_rollback(w);
	return rc;
}

/* A mount of the same layers as before records nothing, and waits for no flush. */
static bool fact_known(sqlite3 *db, const struct store_fact *facts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		vn_autofree char *full = fact_key(facts[i].key), *old = NULL;

		if (!full || !facts[i].value || meta_get_text(db, full, &old) || strcmp(old, facts[i].value) != 0)
			return false;
	}
	return true;
}

int store_meta_set_all(struct store *s, const struct store_fact *facts, size_t n)
{
	vn_autounlock pthread_mutex_t *held = NULL;
	int rc;

	if (store_readonly(s))
		return -EROFS;
	held = vn_lock(&s->write_lock);
	if (fact_known(s->writer.db, facts, n))
		return 0;
	rc = fact_write(&s->writer, facts, n);
	reader_changed(s->order[0].reader);
	if (rc || __atomic_load_n(&s->unborn, __ATOMIC_RELAXED))
		return rc;
	return writer_flush(&s->writer);
}

int store_meta_set(struct store *s, const char *key, const char *value)
{
	const struct store_fact fact = { (char *)key, (char *)value };

	return store_meta_set_all(s, &fact, 1);
}
