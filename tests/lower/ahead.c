// SPDX-License-Identifier: Apache-2.0
/* Reading ahead: what it reads, that it stays within its bounds, and that it ends. */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "lower/ahead.h"
#include "lower/layer.h"
#include "tests/check_main.h"
#include "tests/lower/base_fixture.h"

#define PATIENCE_S 240

static struct layer layer_of(const char *path)
{
	struct layer l;
	struct vn_err err = {0};

	ck_assert_int_eq(layer_open(&l, fx_host(path), false, &err), 0);
	return l;
}

static struct ahead *ahead_over(struct layer *layers)
{
	struct ahead *a = ahead_new(layers);

	ck_assert_ptr_nonnull(a);
	return a;
}

/* A machine that stands still for a while is not a thread that hangs. */
static bool ends(struct ahead *a)
{
	int64_t until = vn_mono_ns() + PATIENCE_S * VN_NS_PER_SEC;
	bool ended = ahead_free(a);

	while (!ended && vn_mono_ns() < until)
		ended = ahead_free(a);
	return ended;
}

/* As after a request that slept. */
static void heat(struct ahead *a)
{
	ahead_felt(a, 1, 1);
	ck_assert(ahead_is_useful(a));
}

static bool ask(struct ahead *a, const char *path, uint64_t hash, size_t nlayers, unsigned credit)
{
	uint16_t *layers = calloc(nlayers, sizeof(*layers));
	struct ahead_wish w = {.path = path, .hash = hash << 20, .layers = layers, .nlayers = nlayers, .credit = credit};
	bool room;

	ck_assert_ptr_nonnull(layers);
	for (size_t i = 0; i < nlayers; i++)
		layers[i] = (uint16_t)i;
	room = ahead_ask(a, &w);
	free(layers);
	return room;
}

/* Waits until so many parts were taken and so many names looked at. */
static struct ahead_stats wait_for(struct ahead *a, uint64_t parts, uint64_t names)
{
	int64_t until = vn_mono_ns() + PATIENCE_S * VN_NS_PER_SEC;
	struct ahead_stats s;

	for (;;) {
		ahead_stats(a, &s);
		if ((s.parts >= parts && s.names >= names) || vn_mono_ns() > until)
			break;
		usleep(1000);
	}
	ck_assert_uint_eq(s.parts, parts);
	ck_assert_uint_eq(s.names, names);
	return s;
}

START_TEST(nothing_is_useful_until_a_request_has_slept)
{
	struct ahead *a = ahead_over(NULL);

	ck_assert(!ahead_is_useful(a));
	ahead_felt(a, 1, 0);
	ck_assert(!ahead_is_useful(a));
	ahead_felt(a, 100, 3); /* three of a hundred: those are in memory */
	ck_assert(!ahead_is_useful(a));
	ahead_felt(a, 100, 30);
	ck_assert(ahead_is_useful(a));
	ck_assert(ends(a));
}
END_TEST

START_TEST(every_part_is_read_once)
{
	struct layer layers[2];
	struct ahead *a;
	int64_t begun;
	bool slow; /* the machine */

	fx_file("0/d/one", "");
	fx_file("0/d/two", "");
	fx_file("1/d/three", "");
	layers[0] = layer_of("0");
	layers[1] = layer_of("1");
	a = ahead_over(layers);
	heat(a);
	begun = vn_mono_ns();
	ck_assert(ask(a, "d", 1, 2, 0));
	ck_assert(ask(a, "d", 1, 2, 0)); /* known, for some seconds */
	slow = vn_mono_ns() - begun > VN_NS_PER_SEC;
	if (!slow)
		wait_for(a, 2, 3);
	ck_assert(ask(a, "missing", 2, 1, 0));
	if (!slow)
		ck_assert_uint_le(wait_for(a, 3, 3).threads, AHEAD_THREADS);
	ck_assert(ends(a));
	layer_close(&layers[0]);
	layer_close(&layers[1]);
}
END_TEST

START_TEST(directories_below_are_read_on_credit_and_not_too_deep)
{
	struct layer l;
	struct ahead *a;

	fx_file("0/d/1/2/3/4", "");
	fx_dir("0/e/1/2/3");
	l = layer_of("0");
	a = ahead_over(&l);
	heat(a);
	ck_assert(ask(a, "d", 1, 1, 0));
	wait_for(a, 1, 1); /* d/1 was seen, and not read */
	ck_assert(ask(a, "e", 2, 1, 10));
	wait_for(a, 4, 4); /* e, e/1, e/1/2 */
	ck_assert(ends(a));
	layer_close(&l);
}
END_TEST

START_TEST(credit_ends)
{
	struct layer l;
	struct ahead *a;

	fx_dir("0/d/1");
	fx_dir("0/d/2");
	fx_dir("0/d/3");
	l = layer_of("0");
	a = ahead_over(&l);
	heat(a);
	ck_assert(ask(a, "d", 1, 1, 2));
	wait_for(a, 3, 3);
	ck_assert(ends(a));
	layer_close(&l);
}
END_TEST

static void ask_data(struct ahead *a, uint64_t hash, unsigned from)
{
	const uint16_t layer = 0;
	struct ahead_wish w = {.path = "d", .hash = hash << 20, .layers = &layer, .nlayers = 1, .data = true, .from = from};

	ahead_ask(a, &w);
}

static void wait_for_files(struct ahead *a, uint64_t parts, uint64_t names, uint64_t files)
{
	int64_t until = vn_mono_ns() + PATIENCE_S * VN_NS_PER_SEC;
	struct ahead_stats s = wait_for(a, parts, names);

	while (s.files < files && vn_mono_ns() < until) {
		usleep(1000);
		ahead_stats(a, &s);
	}
	ck_assert_uint_eq(s.files, files);
}

START_TEST(bytes_are_wanted_of_small_files_only)
{
	struct layer l;
	struct ahead *a;

	fx_file("0/d/1", "one");
	fx_file("0/d/2", "two");
	fx_file("0/d/empty", "");
	fx_file("0/d/large", "");
	ck_assert_int_eq(truncate(fx_host("0/d/large"), AHEAD_FILE_MAX + 1), 0);
	fx_dir("0/d/directory");
	fx_link("0/d/link", "1");
	ck_assert_int_eq(mkfifo(fx_host("0/d/pipe"), 0600), 0);
	l = layer_of("0");
	a = ahead_over(&l);
	heat(a);
	ask_data(a, 1, 0);
	wait_for_files(a, 1, 7, 2);
	ask_data(a, 2, 7); /* behind the last name */
	wait_for_files(a, 2, 14, 2);
	ck_assert(ends(a));
	layer_close(&l);
}
END_TEST

START_TEST(bytes_are_wanted_of_so_many_files_at_a_time)
{
	struct layer l;
	struct ahead *a;
	char name[24];

	for (int i = 0; i < AHEAD_FILES + 10; i++) {
		snprintf(name, sizeof(name), "0/d/%d", i);
		fx_file(name, "bytes");
	}
	l = layer_of("0");
	a = ahead_over(&l);
	heat(a);
	ask_data(a, 1, 0);
	wait_for_files(a, 1, AHEAD_FILES + 1, AHEAD_FILES);
	ask_data(a, 2, AHEAD_FILES);
	wait_for_files(a, 2, AHEAD_FILES + 1 + AHEAD_FILES + 10, AHEAD_FILES + 10);
	ck_assert(ends(a));
	layer_close(&l);
}
END_TEST

START_TEST(layers_in_memory_cool_it)
{
	struct layer l;
	struct ahead *a;
	int64_t until = vn_mono_ns() + PATIENCE_S * VN_NS_PER_SEC;

	fx_file("0/d/1", "");
	l = layer_of("0");
	a = ahead_over(&l);
	heat(a);
	for (uint64_t i = 1; ahead_is_useful(a) && vn_mono_ns() < until; i++) {
		ask(a, "d", i, 1, 0);
		usleep(100);
	}
	ck_assert(!ahead_is_useful(a));
	ck_assert(ends(a));
	layer_close(&l);
}
END_TEST

/* Layers that are one directory. */
static struct layer *many_layers(size_t n)
{
	struct layer *layers = calloc(n, sizeof(*layers));

	ck_assert_ptr_nonnull(layers);
	layers[0] = layer_of("0");
	for (size_t i = 1; i < n; i++) {
		layers[i].fd = layers[0].fd;
		layers[i].cloned = true;
	}
	return layers;
}

START_TEST(the_queue_is_bounded_and_what_waits_is_dropped_at_the_end)
{
	struct layer *layers;
	struct ahead *a;
	char name[16];

	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "0/d/%d", i);
		fx_file(name, "");
	}
	layers = many_layers(AHEAD_QUEUE + 2);
	a = ahead_over(layers);
	heat(a);
	ck_assert(!ask(a, "d", 1, AHEAD_QUEUE + 2, 0));
	ck_assert(ends(a)); /* in the middle of it */
	layer_close(&layers[0]);
	free(layers);
}
END_TEST

/* For the sanitizer of leaks: what a thread finds in a directory just when it is to end is in the queue then. */
START_TEST(what_is_found_at_the_very_end_is_dropped_too)
{
	struct layer l;
	char name[32];

	for (int i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "0/d/%d/%d/f", i / 20, i % 20);
		fx_file(name, "");
	}
	l = layer_of("0");
	for (int i = 0; i < 200; i++) {
		struct ahead *a = ahead_over(&l);
		struct ahead_stats s;

		heat(a);
		ask(a, "d", 1, 1, 1000);
		do
			ahead_stats(a, &s);
		while (s.parts < 1 + (uint64_t)i % 40);
		ck_assert(ends(a));
	}
	layer_close(&l);
}
END_TEST

static void *asker_main(void *arg)
{
	for (uint64_t i = 1; i < 300; i++) {
		struct ahead_stats s;

		ahead_felt(arg, 1, 1);
		ask_data(arg, i, 0);
		ask(arg, i % 3 ? "d" : "d/below", i * 7 % 50, 1 + i % 4, 3);
		ahead_stats(arg, &s);
		ck_assert_uint_le(s.threads, AHEAD_THREADS);
	}
	return NULL;
}

START_TEST(many_ask_at_once)
{
	pthread_t t[4];
	struct layer *layers;
	struct ahead *a;

	fx_file("0/d/below/file", "");
	layers = many_layers(4);
	a = ahead_over(layers);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, asker_main, a), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	ck_assert(ends(a));
	layer_close(&layers[0]);
	free(layers);
}
END_TEST

static void pin_to_one(const cpu_set_t *all)
{
	cpu_set_t one;
	int cpu = 0;

	while (!CPU_ISSET(cpu, all))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
}

/* Whether a thread other than this may run on just these; a sanitizer's own thread is bound as its maker was. */
static bool another_runs_on(const cpu_set_t *cpus)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *d;
	bool found = false;

	ck_assert_ptr_nonnull(tasks);
	while ((d = readdir(tasks))) {
		pid_t tid = atoi(d->d_name);
		cpu_set_t its;

		if (tid > 0 && tid != gettid() && sched_getaffinity(tid, sizeof(its), &its) == 0)
			found |= CPU_EQUAL(&its, cpus);
	}
	closedir(tasks);
	return found;
}

START_TEST(a_thread_is_not_bound_to_the_cpu_of_who_asked)
{
	cpu_set_t all;
	struct layer l;
	struct ahead *a;

	fx_file("0/d/one", "");
	l = layer_of("0");
	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	a = ahead_over(&l);
	pin_to_one(&all);
	heat(a);
	ck_assert(ask(a, "d", 1, 1, 0));
	wait_for(a, 1, 1); /* its thread is there, and waits for more */
	ck_assert(another_runs_on(&all));
	ck_assert(ends(a));
	layer_close(&l);
}
END_TEST

VN_CHECK_MAIN("lower/ahead", nothing_is_useful_until_a_request_has_slept, every_part_is_read_once,
	      directories_below_are_read_on_credit_and_not_too_deep, credit_ends,
	      bytes_are_wanted_of_small_files_only, bytes_are_wanted_of_so_many_files_at_a_time, layers_in_memory_cool_it,
	      the_queue_is_bounded_and_what_waits_is_dropped_at_the_end,
	      what_is_found_at_the_very_end_is_dropped_too, many_ask_at_once,
	      a_thread_is_not_bound_to_the_cpu_of_who_asked)
