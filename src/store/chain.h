// SPDX-License-Identifier: Apache-2.0
/*
 * The file `chain`: the sealed deltas below the head, newest first, as lines of
 * text. It is replaced atomically, and its replacement is the moment at which a
 * seal, a rollback or a merge has happened.
 *
 *	veneer chain 1
 *	step KIND HEX                     what still has to be moved (see seal.c)
 *	alias HEX HEX                     rows that name the first mean the second
 *	delta HEX SEALED_NS PATH NAME     PATH "-": deltas/HEX in this upper
 *	sum HEX                           XXH3 of the lines before
 *
 * PATH and NAME have bytes outside 0x21..0x7e, and '%', written as %XX.
 */
#ifndef STORE_CHAIN_H
#define STORE_CHAIN_H

#include <stddef.h>
#include <stdint.h>

struct vn_err;

struct chain_entry {
	uint64_t id;
	int64_t sealed_at;
	char *path; /* of the delta's directory when it lies in another upper, else NULL */
	char name[256];
};

struct chain_alias {
	uint64_t from, to;
};

struct chain {
	struct chain_entry *entries;
	size_t n;
	struct chain_alias *aliases;
	size_t naliases;
	char step[16];     /* "": nothing to do */
	uint64_t step_id;
};

void chain_init(struct chain *c);
void chain_fini(struct chain *c);
/* Reads DIR/chain; an upper without one has an empty chain. -EUCLEAN: damaged; -EPROTONOSUPPORT: of a newer format. */
int chain_read(struct chain *c, int dirfd);
/* The sentence for a chain of `upper` that could not be read. Returns rc. */
int chain_error(int rc, const char *upper, struct vn_err *err);
/* Replaces it, durably. */
int chain_write(const struct chain *c, int dirfd);
/* Puts an entry at `at`, moving the others back; copies path. */
int chain_insert(struct chain *c, size_t at, uint64_t id, int64_t sealed_at, const char *name, const char *path);
int chain_alias(struct chain *c, uint64_t from, uint64_t to);
void chain_remove(struct chain *c, size_t at);

#endif
