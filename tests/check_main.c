// SPDX-License-Identifier: Apache-2.0
#include "check_main.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SKIP_MAX 128
#define DIR_MAX_LEN 256

/* What the test's process tells this one; in shared memory, as check tells only pass or fail. */
static struct note {
	char skipped[SKIP_MAX]; /* the reason, "" when not skipped */
	char dir[DIR_MAX_LEN];  /* "" until asked for */
} * note;

void vn_check_note_skip(const char *why)
{
	snprintf(note->skipped, sizeof(note->skipped), "%s", why);
}

const char *vn_check_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (!note->dir[0]) {
		snprintf(note->dir, sizeof(note->dir), "%s/veneer-check.XXXXXX", tmp ? tmp : "/tmp");
		if (!mkdtemp(note->dir)) {
			perror(note->dir);
			abort();
		}
	}
	return note->dir;
}

static int dir_remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void dir_remove(void)
{
	if (note->dir[0])
		nftw(note->dir, dir_remove_entry, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	note->dir[0] = '\0';
}

/* TAP's diagnostics are lines that start with '#'. */
static void report_message(const char *text)
{
	printf("# ");
	for (; *text; text++) {
		putchar(*text);
		if (*text == '\n' && text[1])
			printf("# ");
	}
	putchar('\n');
}

static void report(int number, const struct vn_check *c, const TTest *test, TestResult *result)
{
	bool passed = tr_rtype(result) == CK_PASS;

	if (!passed) {
		printf("# %s:%d\n", tr_lfile(result) ? tr_lfile(result) : test->file, tr_lno(result));
		report_message(tr_msg(result) ? tr_msg(result) : "no message");
	}
	printf("%sok %d - %s %s%s%s\n", passed ? "" : "not ", number, c->suite, test->name,
	       passed && note->skipped[0] ? " # SKIP " : "", passed ? note->skipped : "");
	fflush(stdout);
}

/* One suite and runner per test: the result is known, and printed, before the next one starts. */
static bool run_one(int number, const struct vn_check *c, const TTest *test)
{
	Suite *suite = suite_create(c->suite);
	TCase *tcase = tcase_create(test->name);
	SRunner *runner = srunner_create(suite);
	bool passed;

	tcase_set_timeout(tcase, c->timeout_s > 0 ? c->timeout_s : 600);
	tcase_add_checked_fixture(tcase, c->setup, c->teardown);
	tcase_add_test(tcase, test);
	suite_add_tcase(suite, tcase);
	memset(note, 0, sizeof(*note));
	srunner_run_all(runner, CK_SILENT);
	passed = srunner_ntests_failed(runner) == 0;
	if (srunner_ntests_run(runner)) {
		TestResult **results = srunner_results(runner);

		report(number, c, test, results[0]);
		free(results);
	}
	srunner_free(runner);
	dir_remove();
	return passed;
}

int vn_check_run(const struct vn_check *c)
{
	const char *only = getenv("CK_RUN_CASE");
	int number = 0;
	bool passed = true;

	note = mmap(NULL, sizeof(*note), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (note == MAP_FAILED) {
		puts("Bail out! no memory");
		return 99;
	}
	for (size_t i = 0; i < c->ntests; i++) {
		if (only && strcmp(only, c->tests[i]->name) != 0)
			continue;
		passed &= run_one(++number, c, c->tests[i]);
	}
	printf("1..%d\n", number);
	munmap(note, sizeof(*note));
	return passed ? 0 : 1;
}

/* check's messages go to a file without a name that all processes of a test share. */
void vn_check_mute(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 3; fd < 64; fd++) {
		struct stat st;

		if (fd != null && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0)
			dup2(null, fd);
	}
}
