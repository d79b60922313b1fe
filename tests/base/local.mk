# SPDX-License-Identifier: Apache-2.0
unit_tests += \
	tests/base/beneath \
	tests/base/clock \
	tests/base/copy \
	tests/base/err \
	tests/base/fd \
	tests/base/hash \
	tests/base/iov \
	tests/base/log \
	tests/base/scope \
	tests/base/thread \
	tests/base/vec
tests_base_beneath_LDADD = $(test_libs) $(base_libs)
tests_base_clock_LDADD = $(test_libs) $(base_libs)
tests_base_copy_LDADD = $(test_libs) $(base_libs)
tests_base_err_LDADD = $(test_libs) $(base_libs)
tests_base_fd_LDADD = $(test_libs) $(base_libs)
tests_base_hash_LDADD = $(test_libs) $(base_libs)
tests_base_iov_LDADD = $(test_libs) $(base_libs)
tests_base_log_LDADD = $(test_libs) $(base_libs)
tests_base_scope_LDADD = $(test_libs) $(base_libs)
tests_base_thread_LDADD = $(test_libs) $(base_libs)
tests_base_vec_LDADD = $(test_libs) $(base_libs)
