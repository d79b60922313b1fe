// SPDX-License-Identifier: Apache-2.0
/* The bytes of files in every state against a model: see model.h. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "model.h"
#include "store/fault.h"
#include "store/store.h"

static unsigned steps(unsigned n)
{
	return getenv("STEPS") ? (unsigned)atoi(getenv("STEPS")) : n;
}

/* One small, one at the border of whole copy-up, one large, one made by the tree. */
static void lowers(struct model *m, struct engine *e)
{
	model_lower(m, e, 0, 5000);
	model_lower(m, e, 1, (128u << 10) + model_random(m, 3) - 1);
	model_lower(m, e, 2, 700001);
}

static void problem(void *arg, const char *sentence)
{
	(void)arg;
	fprintf(stderr, "# %s\n", sentence);
}

/* Closes the tree; its upper must pass verification. */
static void finish(struct engine *e)
{
	const struct store_config config = {.upper = e->upper, .readonly = true};
	struct vn_err err = {0};
	struct store *s;
	int r;

	engine_close(e);
	r = store_open(&config, &s, &err);
	ck_assert_msg(!r, "%s", vn_err_text(&err));
	ck_assert_int_eq(store_check(s, problem, NULL), 0);
	ck_assert_int_eq(store_close(s), 0);
}

START_TEST(operations_on_base_files)
{
	struct model *m = model_new(1);
	struct engine e;

	engine_init(&e, 1);
	lowers(m, &e);
	engine_open(&e);
	model_find(m, &e);
	model_check(m, &e);
	for (unsigned i = 0; i < steps(1500); i++)
		model_step(m, &e);
	model_check(m, &e);
	engine_reopen(&e);
	model_find(m, &e);
	model_check(m, &e);
	finish(&e);
}
END_TEST

START_TEST(every_short_life_of_base_files)
{
	struct model *m = model_new(2);

	for (unsigned round = 0; round < 60; round++) {
		struct engine e;
		char remove[600];

		memset(m->files, 0, sizeof(m->files));
		for (unsigned i = 0; i < MODEL_FILES; i++)
			snprintf(m->files[i].name, sizeof(m->files[i].name), "file%u", i);
		engine_init(&e, 1);
		lowers(m, &e);
		engine_open(&e);
		model_find(m, &e);
		for (unsigned i = 0; i < 25; i++)
			model_step(m, &e);
		engine_reopen(&e);
		model_find(m, &e);
		model_check(m, &e);
		finish(&e);
		snprintf(remove, sizeof(remove), "rm -rf '%s' '%s'", e.lowers[0], e.upper);
		ck_assert_int_eq(system(remove), 0);
	}
}
END_TEST

START_TEST(operations_between_remounts)
{
	struct model *m = model_new(3);
	struct engine e;

	engine_init(&e, 1);
	lowers(m, &e);
	engine_open(&e);
	model_find(m, &e);
	for (unsigned i = 0; i < steps(1500); i++) {
		if (model_random(m, 20) == 0) {
			engine_reopen(&e);
			model_find(m, &e);
			if (model_random(m, 4) == 0)
				model_check(m, &e);
		}
		model_step(m, &e);
	}
	model_check(m, &e);
	finish(&e);
}
END_TEST

/* The upper becomes the top layer, and a new one is begun over it. */
static void seal(struct engine *e, unsigned n)
{
	engine_close(e);
	memmove(e->lowers + 1, e->lowers, e->nlowers * sizeof(e->lowers[0]));
	memcpy(e->lowers[0], e->upper, sizeof(e->upper));
	e->nlowers++;
	snprintf(e->upper, sizeof(e->upper), "%s/upper%u", vn_check_dir(), n);
	engine_open(e);
}

START_TEST(operations_over_sealed_deltas)
{
	struct model *m = model_new(4);

	for (unsigned round = 0; round < 4; round++) {
		struct engine e;
		char remove[300];

		memset(m->files, 0, sizeof(m->files));
		for (unsigned i = 0; i < MODEL_FILES; i++)
			snprintf(m->files[i].name, sizeof(m->files[i].name), "file%u", i);
		engine_init(&e, 1);
		lowers(m, &e);
		engine_open(&e);
		model_find(m, &e);
		for (unsigned s = 0; s < ENGINE_LOWERS - 2; s++) {
			for (unsigned i = 0; i < 30; i++)
				model_step(m, &e);
			seal(&e, s);
			model_find(m, &e);
			if (s % 2)
				model_check(m, &e);
		}
		for (unsigned i = 0; i < 100; i++)
			model_step(m, &e);
		engine_reopen(&e);
		model_find(m, &e);
		model_check(m, &e);
		engine_close(&e);
		snprintf(remove, sizeof(remove), "rm -rf '%s'/*", vn_check_dir());
		ck_assert_int_eq(system(remove), 0);
	}
}
END_TEST

/* A server that dies between two operations: its memory is lost, the model is not. */
static void live_and_die(struct model *m, struct engine *e, unsigned n)
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		engine_open(e);
		model_find(m, e);
		model_check(m, e);
		for (unsigned i = 0; i < n; i++)
			model_step(m, e);
		_exit(0);
	}
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %x after %u operations",
		      (unsigned)status, m->done);
}

START_TEST(operations_between_kills)
{
	struct model *m = model_new(5);
	struct engine e;

	engine_init(&e, 1);
	lowers(m, &e);
	for (unsigned i = 0; i < steps(40); i++)
		live_and_die(m, &e, 1 + (unsigned)model_random(m, 30));
	engine_open(&e);
	model_find(m, &e);
	model_check(m, &e);
	finish(&e);
}
END_TEST

/* A server that is killed wherever it is. */
static void live_and_be_killed(struct model *m, struct engine *e)
{
	unsigned done = m->done;
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		vn_check_mute();
		engine_open(e);
		model_find(m, e);
		for (;;)
			model_step(m, e);
	}
	ck_assert_int_gt(pid, 0);
	while (__atomic_load_n(&m->done, __ATOMIC_SEQ_CST) == done && !waitpid(pid, &status, WNOHANG))
		usleep(1000);
	usleep((useconds_t)(rand() % 30000));
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) == pid)
		ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the child ended with %x", (unsigned)status);
}

START_TEST(operations_between_kills_at_any_moment)
{
	struct model *m = model_new(8);
	struct engine e;

	engine_init(&e, 1);
	lowers(m, &e);
	engine_open(&e);
	model_find(m, &e);
	engine_close(&e);
	for (unsigned i = 0; i < steps(30); i++) {
		live_and_be_killed(m, &e);
		engine_open(&e);
		model_find(m, &e);
		model_accept(m, &e);
		finish(&e);
	}
}
END_TEST

START_TEST(operations_that_fail_now_and_then)
{
	struct model *m = model_new(9);
	struct engine e;

	engine_init(&e, 1);
	lowers(m, &e);
	engine_open(&e);
	model_find(m, &e);
	m->faults = true;
	for (unsigned round = 0; round < 15; round++) {
		for (unsigned i = 0; i < 60; i++)
			model_step(m, &e);
		model_check(m, &e);
		fault_disarm_all();
		finish(&e);
		engine_open(&e);
		model_find(m, &e);
		model_check(m, &e);
	}
	finish(&e);
}
END_TEST

START_TEST(operations_on_files_without_names)
{
	struct model *m = model_new(6);
	struct engine e;

	engine_init(&e, 1);
	lowers(m, &e);
	engine_open(&e);
	model_find(m, &e);
	for (unsigned i = 0; i < 20; i++)
		model_step(m, &e);
	for (unsigned i = 0; i < MODEL_FILES; i++)
		ck_assert_int_eq(e_unlink(&e, m->files[i].name), 0);
	for (unsigned i = 0; i < steps(600); i++)
		model_step(m, &e);
	model_check(m, &e);
	for (unsigned i = 0; i < MODEL_FILES; i++)
		e.fs->ops->forget(e.fs, &e.ctx, m->files[i].node, 1);
	engine_reopen(&e);
	for (unsigned i = 0; i < MODEL_FILES; i++)
		e_missing(&e, m->files[i].name);
	finish(&e);
}
END_TEST

static void snapshot(struct engine *e, unsigned n)
{
	struct vn_err err = {0};
	char name[16];
	int r;

	snprintf(name, sizeof(name), "s%u", n);
	r = ovl_snapshot(e->tree, name, &err);
	ck_assert_msg(!r, "%s", vn_err_text(&err));
}

/* Nodes, descriptors and half-copied files live on over it; some files have no name. */
START_TEST(operations_over_snapshots)
{
	struct model *m = model_new(7);
	struct engine e;

	engine_init(&e, 1);
	lowers(m, &e);
	engine_open(&e);
	model_find(m, &e);
	for (unsigned n = 0; n < 25; n++) {
		for (unsigned i = 0; i < 40; i++)
			model_step(m, &e);
		snapshot(&e, n);
		if (n % 4 == 0)
			model_check(m, &e);
		if (n % 7 == 3 && n < 20) {
			engine_reopen(&e);
			model_find(m, &e);
		}
		if (n == 20)
			ck_assert_int_eq(e_unlink(&e, m->files[0].name), 0);
		if (n == 21)
			ck_assert_int_eq(e_unlink(&e, m->files[3].name), 0);
	}
	model_check(m, &e);
	finish(&e);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "overlay/data_model", .timeout_s = 900}), operations_on_base_files,
		   every_short_life_of_base_files, operations_between_remounts, operations_over_sealed_deltas,
		   operations_between_kills, operations_between_kills_at_any_moment,
		   operations_that_fail_now_and_then,
		   operations_on_files_without_names, operations_over_snapshots)
