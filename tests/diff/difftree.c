// SPDX-License-Identifier: Apache-2.0
/*
 * The differential tester.
 *
 *	difftree run [-s SEED] [-n OPS] [-p PROCESSES] [-f FIRST] [-c] [-k] [-u] [-w] [-A] [-v] TREE REFERENCE
 *		does the same random operations in both trees and compares what each
 *		says. Every process has a directory p0, p1, ... of its own, and all use
 *		"shared", one at a time.
 *		-f: begin with another one than p0
 *		-c: look at everything after every operation: slow, finds what did it
 *		-k: TREE is kernel overlayfs
 *		-u: some operations as another user
 *		-w: TREE is mounted with write-back caching
 *		-A: without access control lists
 *	difftree compare TREE REFERENCE
 *		compares the trees as they are
 *	difftree dump [-i] TREE
 *		prints a tree as text; -i with inode numbers and all times
 *
 * Exit status 0: alike; 1: they differ; 2: usage; 3: it could not be done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tree.h"
#include "world.h"

#define SHOW_MAX 20

struct run {
	const char *roots[SIDES];
	uint64_t seed;
	size_t ops;
	unsigned processes, first;
	struct world_options options;
	int lock;   /* of the shared directory */
	bool *stop; /* in memory that all processes share: one has failed */
};

/* ---- running ---- */

static const struct op *const op_tables[] = {file_ops, path_ops, dir_ops, xattr_ops};

#define NTABLES (sizeof(op_tables) / sizeof(op_tables[0]))

static size_t total_weight(void)
{
	size_t sum = 0;

	for (size_t t = 0; t < NTABLES; t++) {
		for (const struct op *op = op_tables[t]; op->name; op++)
			sum += op->weight;
	}
	return sum;
}

static const struct op *pick_op(struct rnd *rnd)
{
	size_t at = rnd_below(rnd, total_weight());

	for (size_t t = 0;; t++) {
		for (const struct op *op = op_tables[t]; op->name; op++) {
			if (at < op->weight)
				return op;
			at -= op->weight;
		}
	}
}

static void run_as(struct world *w, const struct op *op)
{
	bool other = w->options.users && rnd_chance(&w->rnd, 15);

	if (other) {
		setfsgid(1000);
		setfsuid(1000);
	}
	op->run(w);
	if (w->options.check)
		world_check(w);
	if (other) {
		setfsuid(0);
		setfsgid(0);
		world_op(w, "(as user 1000)");
	}
}

/* Now and then a process works in the shared directory, alone for a few operations. */
static void run_shared(struct run *r, struct world *w)
{
	flock(r->lock, LOCK_EX);
	w->shared = true;
	if (world_enter(w, "shared"))
		world_fail(w, "cannot enter shared: %s", strerror(errno));
	for (int i = 0; i < 10 && !w->failed; i++)
		run_as(w, pick_op(&w->rnd));
	for (size_t i = 0; i < SLOTS; i++) /* others would see them change under our numbers */
		world_close(&w->slots[i]);
	w->shared = false;
	flock(r->lock, LOCK_UN);
}

static int run_process(struct run *r, unsigned number)
{
	struct world *w = malloc(sizeof(*w));
	char area[32];
	size_t last = 0;
	bool failed;

	world_init(w, r->roots, r->seed, number, &r->options);
	snprintf(area, sizeof(area), "p%u", number);
	umask(022);
	if (world_enter(w, area))
		world_fail(w, "cannot enter %s: %s", area, strerror(errno));
	while (w->count < r->ops && !w->failed && !__atomic_load_n(r->stop, __ATOMIC_RELAXED)) {
		if (w->count - last > 500) {
			last = w->count;
			run_shared(r, w);
			if (world_enter(w, area))
				world_fail(w, "cannot enter %s again: %s", area, strerror(errno));
		}
		run_as(w, pick_op(&w->rnd));
	}
	failed = w->failed;
	if (failed)
		__atomic_store_n(r->stop, true, __ATOMIC_RELAXED);
	world_fini(w);
	free(w);
	return failed;
}

static int run_all(struct run *r)
{
	int failed = 0, status;

	for (unsigned i = 0; i < r->processes; i++) {
		pid_t pid = fork();

		if (pid < 0) {
			perror("fork");
			return 3;
		}
		if (pid == 0) {
			/* A lock belongs to an open file: each process needs its own. */
			char path[64];

			snprintf(path, sizeof(path), "/proc/self/fd/%d", r->lock);
			r->lock = open(path, O_RDWR | O_CLOEXEC);
			exit(run_process(r, r->first + i));
		}
	}
	while (wait(&status) > 0)
		failed |= !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	return failed;
}

/* ---- comparing ---- */

static int compare(const char *a, const char *b)
{
	struct tree_options options = {.noroot = true};
	struct tree ta, tb;
	int rc = tree_read(a, &options, &ta) | tree_read(b, &options, &tb);
	size_t n = tree_compare(&ta, &tb, SHOW_MAX);

	printf("# %zu objects, %zu differences\n", ta.n, n);
	tree_free(&ta);
	tree_free(&tb);
	return rc ? 3 : n != 0;
}

static int dump(const char *root, bool inodes)
{
	struct tree_options options = {.inodes = inodes};
	struct tree t;
	int rc = tree_read(root, &options, &t);

	for (size_t i = 0; i < t.n; i++)
		puts(t.lines[i]);
	tree_free(&t);
	return rc ? 3 : 0;
}

/* ---- the command line ---- */

static int usage(void)
{
	fputs("usage: difftree run [-s SEED] [-n OPS] [-p PROCESSES] [-f FIRST] [-c] [-k] [-u] [-w] [-A] [-v] TREE REFERENCE\n"
	      "       difftree compare TREE REFERENCE\n"
	      "       difftree dump [-i] TREE\n",
	      stderr);
	return 2;
}

static int main_run(int argc, char **argv)
{
	struct run r = {.seed = (uint64_t)time(NULL), .ops = 1000, .processes = 1, .options = {.acls = true}};
	int c, rc;

	while ((c = getopt(argc, argv, "s:n:p:f:ckuwAv")) != -1) {
		switch (c) {
		case 's':
			r.seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			r.ops = strtoull(optarg, NULL, 0);
			break;
		case 'p':
			r.processes = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 'f':
			r.first = (unsigned)strtoul(optarg, NULL, 0);
			break;
		case 'c':
			r.options.check = true;
			break;
		case 'k':
			r.options.kernel = true;
			break;
		case 'u':
			r.options.users = true;
			break;
		case 'w':
			r.options.writeback = true;
			break;
		case 'A':
			r.options.acls = false;
			break;
		case 'v':
			r.options.verbose = true;
			break;
		default:
			return usage();
		}
	}
	if (argc - optind != 2)
		return usage();
	r.roots[0] = argv[optind];
	r.roots[1] = argv[optind + 1];
	r.lock = memfd_create("shared", MFD_CLOEXEC);
	r.stop = mmap(NULL, sizeof(*r.stop), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	printf("# seed %llu, %u processes, %zu operations each\n", (unsigned long long)r.seed, r.processes, r.ops);
	fflush(stdout);
	rc = run_all(&r);
	return rc ? rc : compare(r.roots[0], r.roots[1]);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return usage();
	if (strcmp(argv[1], "run") == 0)
		return main_run(argc - 1, argv + 1);
	if (strcmp(argv[1], "compare") == 0 && argc == 4)
		return compare(argv[2], argv[3]);
	if (strcmp(argv[1], "dump") == 0 && argc == 3)
		return dump(argv[2], false);
	if (strcmp(argv[1], "dump") == 0 && argc == 4 && strcmp(argv[2], "-i") == 0)
		return dump(argv[3], true);
	return usage();
}
