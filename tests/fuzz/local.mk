# SPDX-License-Identifier: Apache-2.0
# Fuzz targets. Each is a test with driver.c, and with libFuzzer: `make fuzz CLANG=clang`
# builds tests/fuzz/TARGET.fuzzer for every target in fuzz_targets.
CLANG = clang
fuzz_targets =
fuzz_flags = -std=gnu11 -g -O1 -fsanitize=fuzzer,address,undefined $(AM_CPPFLAGS) $(DEFS)
fuzz_driver = tests/fuzz/driver.c tests/fuzz/driver.h

# The store's journal.
unit_tests += tests/fuzz/journal
tests_fuzz_journal_SOURCES = tests/fuzz/journal.c $(fuzz_driver)
tests_fuzz_journal_LDADD = $(store_libs)
fuzz_targets += tests/fuzz/journal.fuzzer
tests/fuzz/journal.fuzzer: tests/fuzz/journal.c src/store/record.c src/store/change.c src/store/batch.c
	$(CLANG) $(fuzz_flags) -o $@ $(top_srcdir)/tests/fuzz/journal.c $(top_srcdir)/src/store/record.c \
		$(top_srcdir)/src/store/change.c $(top_srcdir)/src/store/batch.c

fuzz: $(fuzz_targets)
.PHONY: fuzz
CLEANFILES += $(fuzz_targets)
