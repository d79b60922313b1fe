// SPDX-License-Identifier: Apache-2.0
/*
 * Identities in a user namespace. Who may not mount makes a user namespace and
 * may mount inside of it. There the user stays who they are, or becomes root on
 * request; the other identities come from /etc/subuid and /etc/subgid through
 * newuidmap(1) and newgidmap(1). Without these, one identity is all there is:
 * files of every other owner belong to nobody.
 */
#ifndef CLI_IDMAP_H
#define CLI_IDMAP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct vn_err;

struct idmap {
	bool needed;                   /* we may not mount: a user namespace has to be made */
	bool root;                     /* be root inside */
	bool single;                   /* only our own identity is mapped */
	uint32_t uid, gid;             /* outside */
	uint32_t uid_first, uid_count; /* subordinate ones */
	uint32_t gid_first, gid_count;
};

/* May this process mount, be it in a user namespace of its own? */
bool idmap_may_mount(void);

/* Looks at capabilities and tables. `root`: wanted by the user. */
void idmap_plan(struct idmap *m, bool root);

/* Writes the maps of the user namespace that process pid has just made. */
int idmap_apply(const struct idmap *m, pid_t pid, struct vn_err *err);

/*
 * Finds the range of `name` (or of the number id, as text) in the text of a
 * subuid(5) table: the first with at least 2 identities. False: none.
 */
bool idmap_range(const char *table, const char *name, uint32_t id, uint32_t *first, uint32_t *count);

/*
 * Writes "INSIDE OUTSIDE COUNT" triples for own identity `id` seen as `inside`
 * with `count` subordinate ones filling all other numbers from 0 up. Returns the
 * number of triples (at most 3).
 */
int idmap_triples(uint32_t id, uint32_t inside, uint32_t first, uint32_t count, uint32_t out[3][3]);

#endif
