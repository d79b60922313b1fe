# SPDX-License-Identifier: Apache-2.0
#
# Every test speaks TAP. A folder's local.mk adds to
#   unit_tests        check programs, named tests/FOLDER/NOUN (source NOUN.c beside it)
#   script_tests      scripts that look at the sources or at built files
#   e2e_tests         scripts in tests/e2e that mount; may skip
#   power_tests       check programs that cut the power of loop images; alone, and not under sanitizers
#   long_tests        check programs that look for what is rare: `make check-long`, as often as you like
#   vm_tests          scripts in tests/vm that boot a guest; may skip; only in `make check-all`
# and, naming a test a second time,
#   quick_e2e_tests   e2e tests worth running under AddressSanitizer too
#   concurrent_tests  tests with threads or processes at work at once: run under ThreadSanitizer

unit_tests =
script_tests = tests/arrows tests/exports tests/macos
e2e_tests =
power_tests =
long_tests =
vm_tests =
quick_e2e_tests =
concurrent_tests =
# Programs that tests use.
test_tools =
# Sourced or used by tests, not tests themselves.
test_data = tests/e2e/lib.sh

check_LTLIBRARIES += libtesthelp.la
libtesthelp_la_SOURCES = tests/check_main.c tests/check_main.h
libtesthelp_la_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
test_libs = libtesthelp.la $(CHECK_LIBS)

include tests/base/local.mk
include tests/store/local.mk
include tests/lower/local.mk
include tests/overlay/local.mk
include tests/fuse/local.mk
include tests/guest/local.mk
include tests/vhost/local.mk
include tests/lib/local.mk
include tests/semantics/local.mk
include tests/cli/local.mk
include tests/e2e/local.mk
include tests/diff/local.mk
include tests/fuzz/local.mk
include tests/vm/local.mk

if HAVE_CHECK
check_PROGRAMS = $(unit_tests) $(power_tests) $(long_tests) $(test_tools)
TESTS = $(unit_tests) $(power_tests) $(script_tests) $(e2e_tests)
else
check_PROGRAMS = $(test_tools)
TESTS = $(script_tests) $(e2e_tests)
endif

EXTRA_DIST += $(script_tests) $(e2e_tests) $(vm_tests) $(test_data)

LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/tap-driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
# A script that hangs is ended, and cleans up; its server is ended with it.
E2E_TIMEOUT = 1800
SH_LOG_COMPILER = timeout -k 30 $(E2E_TIMEOUT) bash
AM_TESTS_ENVIRONMENT = \
	VENEER='$(abs_top_builddir)/veneer'; export VENEER; \
	top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
	top_builddir='$(abs_top_builddir)'; export top_builddir; \
	VN_CPPFLAGS="-D_GNU_SOURCE $(SQLITE3_CFLAGS) $(XXHASH_CFLAGS) $(JANSSON_CFLAGS) $(LIBBSD_CFLAGS) $(CHECK_CFLAGS)"; export VN_CPPFLAGS; \
	CC='$(CC)'; export CC; SANITIZE='$(SANITIZE)'; export SANITIZE;

# Everything, and the sets that scripts/test runs in its sanitizer builds. What mounts
# or boots runs alone: it looks at the machine's mounts and processes, and is timed.
check-all:
	rc=0; $(MAKE) check TESTS='$(unit_tests) $(script_tests)' || rc=1; \
	$(MAKE) -j1 check TESTS='$(power_tests) $(e2e_tests)' || rc=1; \
	$(MAKE) -j1 check TESTS='$(vm_tests)' || rc=1; exit $$rc
check-quick:
	rc=0; $(MAKE) check TESTS='$(unit_tests)' || rc=1; \
	$(MAKE) -j1 check TESTS='$(quick_e2e_tests)' || rc=1; exit $$rc
check-concurrent:
	$(MAKE) -j1 check TESTS='$(concurrent_tests)'
check-long: $(long_tests) $(power_tests)
	rc=0; for t in $(long_tests) $(power_tests); do ./$$t || rc=1; done; \
	VENEER='$(abs_top_builddir)/veneer' $(top_srcdir)/scripts/torture $${SEED:+-s $$SEED} || rc=1; exit $$rc
.PHONY: check-all check-quick check-concurrent check-long
