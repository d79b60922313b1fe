// SPDX-License-Identifier: Apache-2.0
#include "store/fault.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const fault_names[FAULT_POINTS] = {
	[FAULT_APPEND] = "append",         [FAULT_RING_FLUSH] = "ring-flush", [FAULT_SQL] = "sql",
	[FAULT_COMMIT] = "commit",         [FAULT_WAL_FLUSH] = "wal-flush",   [FAULT_CHECKPOINT] = "checkpoint",
	[FAULT_DATA_NEW] = "data-new",     [FAULT_DATA_FLUSH] = "data-flush", [FAULT_UNLINK] = "unlink",
	[FAULT_STEP] = "step",
};

struct fault {
	unsigned left; /* passages until it fires; 0: not armed */
	int error;
	bool sticky;
};

bool fault_armed_any;
static struct fault faults[FAULT_POINTS];
static pthread_mutex_t fault_lock = PTHREAD_MUTEX_INITIALIZER;

void fault_arm(enum fault_point point, unsigned n, int error, bool sticky)
{
	pthread_mutex_lock(&fault_lock);
	faults[point] = (struct fault){ n, error, sticky };
	__atomic_store_n(&fault_armed_any, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&fault_lock);
}

void fault_disarm_all(void)
{
	pthread_mutex_lock(&fault_lock);
	memset(faults, 0, sizeof(faults));
	__atomic_store_n(&fault_armed_any, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&fault_lock);
}

int fault_hit_slow(enum fault_point point)
{
	struct fault *f = &faults[point];
	int error = 0;

	pthread_mutex_lock(&fault_lock);
	if (f->left > 1)
		f->left--;
	else if (f->left == 1)
		error = f->error;
	if (error && !f->sticky)
		f->left = 0;
	pthread_mutex_unlock(&fault_lock);
	if (error == FAULT_KILL)
		_exit(137);
	return -error;
}

static void fault_parse(const char *item)
{
	char name[32], action[16];
	unsigned n;

	if (sscanf(item, "%31[^:]:%u:%15s", name, &n, action) != 3)
		return;
	for (int i = 0; i < FAULT_POINTS; i++) {
		if (!strcmp(name, fault_names[i]))
			fault_arm((enum fault_point)i, n, strcmp(action, "kill") ? atoi(action) : FAULT_KILL, false);
	}
}

void fault_from_environment(void)
{
	const char *env = getenv("VENEER_FAULT");
	char *copy = env ? strdup(env) : NULL;
	char *save = NULL;

	for (char *t = copy ? strtok_r(copy, ",", &save) : NULL; t; t = strtok_r(NULL, ",", &save))
		fault_parse(t);
	free(copy);
}
