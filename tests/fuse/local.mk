# SPDX-License-Identifier: Apache-2.0
# Tests of src/fuse; link $(test_libs) and $(fuse_libs).
wire_tests = \
	tests/fuse/dispatch \
	tests/fuse/listing \
	tests/fuse/malformed \
	tests/fuse/session \
	tests/fuse/through
unit_tests += $(wire_tests) tests/fuse/errno

check_LTLIBRARIES += libtestfuse.la
libtestfuse_la_SOURCES = \
	tests/fuse/memfs.c tests/fuse/memfs.h \
	tests/fuse/memfs_file.c \
	tests/fuse/wire.c tests/fuse/wire.h
libtestfuse_la_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
fuse_test_libs = libtestfuse.la $(test_libs) $(fuse_libs)

tests_fuse_dispatch_LDADD = $(fuse_test_libs)
tests_fuse_errno_LDADD = $(test_libs) $(fuse_libs)
tests_fuse_listing_LDADD = $(fuse_test_libs)
tests_fuse_malformed_LDADD = $(fuse_test_libs)
tests_fuse_session_LDADD = $(fuse_test_libs)
tests_fuse_through_LDADD = $(fuse_test_libs)

if LINUX
unit_tests += tests/fuse/courier tests/fuse/devfuse tests/fuse/follow tests/fuse/readers
concurrent_tests += tests/fuse/courier tests/fuse/devfuse tests/fuse/readers
tests_fuse_courier_LDADD = $(fuse_test_libs)
tests_fuse_devfuse_LDADD = $(fuse_test_libs)
tests_fuse_follow_LDADD = $(fuse_test_libs)
tests_fuse_readers_LDADD = $(fuse_test_libs)
endif
