// SPDX-License-Identifier: Apache-2.0
#include "cli/control.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../check_main.h"
#include "base/err.h"

static int run_echo(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	(void)err;
	++*(int *)arg;
	*reply = strdup(rest);
	return 0;
}

static int run_big(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	(void)arg;
	(void)rest;
	(void)err;
	*reply = malloc(1000001);
	memset(*reply, 'x', 1000000);
	(*reply)[1000000] = 0;
	return 0;
}

static int run_fail(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	(void)arg;
	(void)rest;
	(void)reply;
	return vn_err_set(err, -ENOSPC, "no room for %s", "it");
}

static int run_nothing(void *arg, const char *rest, char **reply, struct vn_err *err)
{
	(void)arg;
	(void)rest;
	(void)reply;
	(void)err;
	return 0;
}

static const struct control_verb verbs[] = {
	{"echo", run_echo}, {"big", run_big}, {"fail", run_fail}, {"nothing", run_nothing}, {0},
};
static struct control *server;
static struct control_address to;
static struct vn_err err;
static int calls;

static void setup(void)
{
	struct control_config config = {.verbs = verbs, .arg = &calls};

	/* No device of the system has this number. */
	config.dev = makedev(4000, (unsigned)getpid() & 0xfffff);
	config.upper = vn_check_dir();
	ck_assert_msg(control_start(&config, &server, &err) == 0, "%s", err.text);
	to.upper = config.upper;
	to.dev = config.dev;
}

static void teardown(void)
{
	control_stop(server);
}

START_TEST(a_request_has_words_and_a_reply)
{
	char *reply = NULL;

	ck_assert_int_eq(control_call(&to, "echo one two", &reply, &err), 0);
	ck_assert_str_eq(reply, "one two");
	free(reply);
	ck_assert_int_eq(control_call(&to, "nothing", &reply, &err), 0);
	ck_assert_str_eq(reply, "");
	free(reply);
	ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(the_mount_is_an_address_too)
{
	struct control_address dev = {.dev = to.dev};
	char *reply = NULL;

	ck_assert_int_eq(control_call(&dev, "echo x", &reply, &err), 0);
	ck_assert_str_eq(reply, "x");
	free(reply);
}
END_TEST

START_TEST(a_long_reply_arrives_whole)
{
	char *reply = NULL;

	ck_assert_int_eq(control_call(&to, "big", &reply, &err), 0);
	ck_assert_uint_eq(strlen(reply), 1000000);
	free(reply);
}
END_TEST

START_TEST(errors_come_with_code_and_sentence)
{
	char *reply = NULL;

	ck_assert_int_eq(control_call(&to, "fail", &reply, &err), -ENOSPC);
	ck_assert_str_eq(err.text, "no room for it");
	ck_assert_int_eq(control_call(&to, "frobnicate", &reply, &err), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(err.text, "frobnicate"));
}
END_TEST

START_TEST(the_socket_is_private_and_goes_away)
{
	char path[4096];
	struct stat st;

	snprintf(path, sizeof(path), "%s/control", to.upper);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	control_stop(server);
	server = NULL;
	ck_assert_int_ne(stat(path, &st), 0);
}
END_TEST

START_TEST(nobody_there_is_enoent)
{
	char *reply = NULL;

	control_stop(server);
	server = NULL;
	ck_assert_int_eq(control_call(&to, "echo", &reply, &err), -ENOENT);
	to.upper = NULL;
	ck_assert_int_eq(control_call(&to, "echo", &reply, &err), -ENOENT);
}
END_TEST

START_TEST(a_stale_socket_is_replaced)
{
	struct control_config config = {.upper = to.upper, .verbs = verbs, .arg = &calls};
	struct control *second;
	char *reply = NULL;

	/* As after a kill: the file is there, nobody listens. */
	ck_assert_int_eq(control_start(&config, &second, &err), 0);
	ck_assert_int_eq(control_call(&to, "echo again", &reply, &err), 0);
	ck_assert_str_eq(reply, "again");
	free(reply);
	control_stop(second);
}
END_TEST

static void *stop_main(void *arg)
{
	usleep(50000);
	control_stop(arg);
	return NULL;
}

START_TEST(the_next_mount_of_a_number_is_found_under_it)
{
	int others = 0;
	struct control_config config = {.dev = to.dev, .verbs = verbs, .arg = &others};
	struct control_address dev = {.dev = to.dev};
	struct control *next;
	char *reply = NULL;
	pthread_t thread;

	/* The server of the one before is about to end. */
	ck_assert_int_eq(pthread_create(&thread, NULL, stop_main, server), 0);
	ck_assert_int_eq(control_start(&config, &next, &err), 0);
	pthread_join(thread, NULL);
	server = NULL;
	ck_assert_int_eq(control_call(&dev, "echo x", &reply, &err), 0);
	free(reply);
	ck_assert_int_eq(others, 1);
	control_stop(next);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "cli/control", .setup = setup, .teardown = teardown}),
		   a_request_has_words_and_a_reply, the_mount_is_an_address_too, a_long_reply_arrives_whole,
		   errors_come_with_code_and_sentence, the_socket_is_private_and_goes_away, nobody_there_is_enoent,
		   a_stale_socket_is_replaced, the_next_mount_of_a_number_is_found_under_it)
