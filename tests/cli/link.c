// SPDX-License-Identifier: Apache-2.0
#include "cli/link.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "../check_main.h"

static int fds[2];
static struct link_message m;

static void setup(void)
{
	ck_assert_int_eq(link_pair(fds), 0);
}

START_TEST(kinds_and_sentences_arrive)
{
	ck_assert_int_eq(link_send(fds[0], LINK_GO, NULL, -1), 0);
	ck_assert_int_eq(link_send(fds[0], LINK_FAILED, "no room", -1), 0);
	ck_assert_int_eq(link_receive(fds[1], &m), 0);
	ck_assert_int_eq(m.kind, LINK_GO);
	ck_assert_str_eq(m.text, "");
	ck_assert_int_eq(link_receive(fds[1], &m), 0);
	ck_assert_int_eq(m.kind, LINK_FAILED);
	ck_assert_str_eq(m.text, "no room");
	ck_assert_int_eq(m.fd, -1);
}
END_TEST

START_TEST(a_descriptor_comes_along_and_closes_at_exec)
{
	int pipefd[2];
	char byte = 0;

	ck_assert_int_eq(pipe(pipefd), 0);
	ck_assert_int_eq(link_send(fds[0], LINK_FUSE, NULL, pipefd[1]), 0);
	ck_assert_int_eq(link_receive(fds[1], &m), 0);
	ck_assert_int_ge(m.fd, 0);
	ck_assert_int_ne(m.fd, pipefd[1]);
	ck_assert_int_eq(fcntl(m.fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(write(m.fd, "x", 1), 1);
	ck_assert_int_eq(read(pipefd[0], &byte, 1), 1);
}
END_TEST

START_TEST(the_end_is_a_message)
{
	close(fds[0]);
	ck_assert_int_eq(link_receive(fds[1], &m), 0);
	ck_assert_int_eq(m.kind, LINK_END);
}
END_TEST

START_TEST(a_long_sentence_is_cut)
{
	char text[3 * VN_ERR_TEXT_MAX];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	ck_assert_int_eq(link_send(fds[0], LINK_FAILED, text, -1), 0);
	ck_assert_int_eq(link_receive(fds[1], &m), 0);
	ck_assert_uint_eq(strlen(m.text), VN_ERR_TEXT_MAX - 1);
}
END_TEST

VN_CHECK_MAIN_WITH(((struct vn_check){.suite = "cli/link", .setup = setup}), kinds_and_sentences_arrive,
		   a_descriptor_comes_along_and_closes_at_exec, the_end_is_a_message, a_long_sentence_is_cut)
