// SPDX-License-Identifier: Apache-2.0
/*
 * A unit test file is START_TEST functions and, at its end,
 *
 *	VN_CHECK_MAIN("base/iov", get_stops_at_the_end, put_leaves_the_rest_alone)
 *
 * Each test runs in a process of its own and is one line of TAP output, named
 * after its function. CK_RUN_CASE=NAME runs one, CK_FORK=no keeps it in this process
 * for a debugger.
 */
#ifndef TESTS_CHECK_MAIN_H
#define TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>

struct vn_check {
	const char *suite;      /* the test's address: FOLDER/NOUN */
	void (*setup)(void);    /* before each test, in its process; or NULL */
	void (*teardown)(void); /* after each test that did not fail; or NULL */
	double timeout_s;       /* per test; 0: 600 (sanitizers and loaded machines are slow) */
	size_t ntests;
	const TTest *const *tests;
};

/* Runs the tests and prints TAP. Returns the exit status of main. */
int vn_check_run(const struct vn_check *c);

/*
 * A directory for the current test's files, made at the first call and removed after
 * the test, whatever is in it. Only for tests and fixtures.
 */
const char *vn_check_dir(void);

/*
 * For a child that will be killed at any moment, right after its fork: what it asserts
 * is not told to check any more, which would find half a message in its file.
 */
void vn_check_mute(void);

/* Leaves the current test; it counts as skipped, for the reason given. */
#define vn_check_skip(why)               \
	do {                             \
		vn_check_note_skip(why); \
		return;                  \
	} while (0)
void vn_check_note_skip(const char *why);

#define VN_CHECK_MAIN(name, ...) VN_CHECK_MAIN_WITH(((struct vn_check){.suite = (name)}), __VA_ARGS__)

/* The same with fixtures: base is a struct vn_check without the tests. */
#define VN_CHECK_MAIN_WITH(base, ...)                        \
	int main(void)                                       \
	{                                                    \
		const TTest *const tests[] = {__VA_ARGS__};  \
		struct vn_check c = base;                    \
		c.tests = tests;                             \
		c.ntests = sizeof(tests) / sizeof(tests[0]); \
		return vn_check_run(&c);                     \
	}

#endif
