// SPDX-License-Identifier: Apache-2.0
/* The fence of `veneer serve`: what it keeps out, and what has to go on behind it. */
#include "cli/sandbox.h"

#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"
#include "base/fd.h"

static char lower[256], upper[256], outside[256];

static int make(const char *dir, const char *name)
{
	char path[1024];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -errno : 0;
}

static int look(const char *dir, const char *name, int flags)
{
	char path[1024];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd < 0 ? -errno : 0;
}

static void setup(void)
{
	snprintf(lower, sizeof(lower), "%s/lower", vn_check_dir());
	snprintf(upper, sizeof(upper), "%s/upper", vn_check_dir());
	snprintf(outside, sizeof(outside), "%s/outside", vn_check_dir());
	ck_assert_int_eq(mkdir(lower, 0755) | mkdir(upper, 0755) | mkdir(outside, 0755), 0);
	ck_assert_int_eq(make(lower, "f") | make(upper, "f") | make(outside, "f"), 0);
}

/* False: this machine or this build has no such thing, and the test is skipped. */
static bool fence(enum sandbox_mode mode)
{
	const struct sandbox s = {.mode = mode};
	const struct sandbox_place places[] = {
		{lower, SANDBOX_READ}, {upper, SANDBOX_WRITE}, {"/no/such/place", SANDBOX_READ}, {"/dev/null", SANDBOX_READ}};
	struct vn_err err = {0};
	int rc = sandbox_files(&s, places, VN_ARRAY_LEN(places), &err);

	ck_assert_msg(!rc || rc == -ENOSYS, "%s", vn_err_text(&err));
	return !rc;
}

static bool filter(enum sandbox_action action)
{
	const struct sandbox s = {.mode = SANDBOX_REQUIRE, .action = action};
	struct vn_err err = {0};

	return sandbox_is_built() && sandbox_calls(&s, &err) == 0;
}

#define LACKING 77 /* a child's exit status */

/*
 * In a process of its own: what check itself calls around a test is refused there, too, and then it measures
 * the test's time with two different clocks and may not bear the result. False: the machine lacks what is needed.
 */
static bool behind_a_filter(bool (*part)(void))
{
	pid_t child = fork();
	int status;

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(part() ? 0 : LACKING);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == LACKING);
	return WEXITSTATUS(status) == 0;
}

START_TEST(only_layers_can_be_reached_by_name)
{
	char path[600], to[600];

	if (!fence(SANDBOX_REQUIRE))
		vn_check_skip("no Landlock");
	ck_assert_int_eq(look(lower, "f", O_RDONLY), 0);
	ck_assert_int_eq(look(lower, ".", O_RDONLY | O_DIRECTORY), 0);
	ck_assert_int_eq(look(lower, "f", O_WRONLY), -EACCES);
	ck_assert_int_eq(look(lower, "f", O_RDWR | O_TRUNC), -EACCES);
	ck_assert_int_eq(make(lower, "new"), -EACCES);
	ck_assert_int_eq(look(outside, "f", O_RDONLY), -EACCES);
	ck_assert_int_eq(look(outside, ".", O_RDONLY | O_DIRECTORY), -EACCES);
	ck_assert_int_eq(make(outside, "new"), -EACCES);
	ck_assert_int_eq(look("/etc", "passwd", O_RDONLY), -EACCES);
	ck_assert_int_eq(look("/proc/self", "mem", O_RDWR), -EACCES);
	ck_assert_int_eq(look("/dev", "null", O_RDONLY), 0);
	snprintf(path, sizeof(path), "%s/../outside", upper);
	ck_assert_int_eq(look(path, "f", O_RDONLY), -EACCES);
	snprintf(path, sizeof(path), "%s/f", upper);
	snprintf(to, sizeof(to), "%s/f", outside);
	ck_assert_int_eq(rename(path, to), -1);
	ck_assert(errno == EACCES || errno == EXDEV);
	ck_assert_int_eq(unlink(to), -1);
}
END_TEST

static bool use_the_upper(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char path[600], to[600];

	if (!fence(SANDBOX_REQUIRE) || !filter(SANDBOX_REFUSE))
		return false;
	ck_assert_int_eq(make(upper, "new"), 0);
	ck_assert_int_eq(look(upper, "new", O_RDWR | O_TRUNC), 0);
	snprintf(path, sizeof(path), "%s/dir", upper);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/new", upper);
	snprintf(to, sizeof(to), "%s/dir/moved", upper);
	ck_assert_int_eq(rename(path, to), 0);
	ck_assert_int_eq(unlink(to), 0);
	snprintf(path, sizeof(path), "%s/dir", upper);
	ck_assert_int_eq(rmdir(path), 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s/sock", upper);
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_ge(sock, 0);
	if (strlen(upper) < 90)
		ck_assert_int_eq(bind(sock, (struct sockaddr *)&a, sizeof(a)), 0);
	close(sock);
	return true;
}

START_TEST(the_upper_can_be_used)
{
	if (!behind_a_filter(use_the_upper))
		vn_check_skip("no Landlock");
}
END_TEST

static bool use_a_descriptor(void)
{
	char path[600], byte;
	snprintf(path, sizeof(path), "%s/f", outside);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (!fence(SANDBOX_REQUIRE) || !filter(SANDBOX_REFUSE))
		return false;
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
	ck_assert_int_eq(pread(fd, &byte, 1, 0), 1);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	close(fd);
	return true;
}

START_TEST(open_descriptors_stay_as_they_are)
{
	if (!behind_a_filter(use_a_descriptor))
		vn_check_skip("no Landlock");
}
END_TEST

static bool call_in_vain(void)
{
	char *const argv[] = {(char *)"true", NULL};
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	if (!filter(SANDBOX_REFUSE))
		return false;
	ck_assert(execv("/bin/true", argv) == -1 && errno == ENOSYS);
	ck_assert(socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == ENOSYS);
	ck_assert(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1 && errno == ENOSYS);
	ck_assert(mount("x", "/", "tmpfs", 0, NULL) == -1 && errno == ENOSYS);
	ck_assert(kill(getpid(), SIGUSR1) == -1 && errno == ENOSYS);
	int sock = socket(AF_UNIX, SOCK_STREAM, 0); /* for the system's log */
	ck_assert_int_ge(sock, 0);
	strcpy(a.sun_path, "/no/such/socket");
	ck_assert(connect(sock, (struct sockaddr *)&a, sizeof(a)) == -1 && errno == ENOENT);
	close(sock);
	return true;
}

START_TEST(calls_without_a_use_are_refused)
{
	if (!behind_a_filter(call_in_vain))
		vn_check_skip("no seccomp");
}
END_TEST

static void *try_socket(void *go)
{
	char byte;

	if (read(*(int *)go, &byte, 1) != 1)
		return NULL;
	return socket(AF_INET, SOCK_STREAM, 0) == -1 && errno == ENOSYS ? go : NULL;
}

static bool call_from_threads(void)
{
	pthread_t before, after;
	void *good;
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(pthread_create(&before, NULL, try_socket, &p[0]), 0);
	if (!filter(SANDBOX_REFUSE))
		return false;
	ck_assert_int_eq(pthread_create(&after, NULL, try_socket, &p[0]), 0);
	ck_assert_int_eq(write(p[1], "xx", 2), 2);
	ck_assert_int_eq(pthread_join(before, &good), 0);
	ck_assert_ptr_nonnull(good);
	ck_assert_int_eq(pthread_join(after, &good), 0);
	ck_assert_ptr_nonnull(good);
	return true;
}

START_TEST(the_filter_is_for_all_threads)
{
	if (!behind_a_filter(call_from_threads))
		vn_check_skip("no seccomp");
}
END_TEST

START_TEST(a_call_may_end_the_process)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(!filter(SANDBOX_KILL) ? 77 : socket(AF_INET, SOCK_STREAM, 0) < 0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		vn_check_skip("no seccomp");
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}
END_TEST

START_TEST(without_a_sandbox_all_is_open)
{
	const struct sandbox s = {.mode = SANDBOX_NONE};
	struct vn_err err;

	ck_assert(fence(SANDBOX_NONE));
	ck_assert_int_eq(sandbox_calls(&s, &err), 0);
	ck_assert_int_eq(look(outside, "f", O_RDWR), 0);
}
END_TEST

START_TEST(a_sandbox_that_cannot_be_had_may_be_an_error)
{
	const struct sandbox s = {.mode = SANDBOX_REQUIRE, .mounts = true};
	struct vn_err err = {0};

	ck_assert_int_eq(sandbox_files(&s, NULL, 0, &err), -ENOSYS);
	ck_assert_ptr_nonnull(strstr(vn_err_text(&err), "--sandbox=require"));
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "cli/sandbox", .setup = setup}), only_layers_can_be_reached_by_name,
		   the_upper_can_be_used, open_descriptors_stay_as_they_are, calls_without_a_use_are_refused,
		   the_filter_is_for_all_threads, a_call_may_end_the_process, without_a_sandbox_all_is_open,
		   a_sandbox_that_cannot_be_had_may_be_an_error)
