// SPDX-License-Identifier: Apache-2.0
#include "tree_state.h"

char *state_path(const struct state *s, int dir, int name)
{
	static char paths[4][512];
	static int turn;
	char *at = paths[turn++ & 3] + 511;

	*at = '\0';
	*--at = (char)('a' + name);
	while (dir) {
		int up = s->o[dir].parent;

		for (int i = 0; i < NAMES; i++) {
			if (s->o[up].child[i] == dir) {
				*--at = '/';
				*--at = (char)('a' + i);
				break;
			}
		}
		dir = up;
	}
	return at;
}

int state_new(struct state *s, enum kind kind)
{
	for (int i = 1; i < OBJECTS; i++) {
		if (!s->o[i].kind) {
			s->o[i] = (struct object){ .kind = kind };
			return i;
		}
	}
	return 0;
}

void state_put(struct state *s, int dir, int name, int o)
{
	s->o[dir].child[name] = o;
	s->o[o].nlink++;
	if (s->o[o].kind == DIR_)
		s->o[o].parent = dir;
}

void state_drop(struct state *s, int dir, int name)
{
	int o = s->o[dir].child[name];

	s->o[dir].child[name] = 0;
	if (!--s->o[o].nlink)
		s->o[o].kind = NOTHING;
}

bool state_empty(const struct object *o)
{
	for (int i = 0; i < NAMES; i++) {
		if (o->child[i])
			return false;
	}
	return true;
}

bool state_above(const struct state *s, int a, int d)
{
	for (; d; d = s->o[d].parent) {
		if (d == a)
			return true;
	}
	return !a;
}
