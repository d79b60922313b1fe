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

# The kept view of the lowers.
unit_tests += tests/fuzz/kept
tests_fuzz_kept_SOURCES = tests/fuzz/kept.c $(fuzz_driver)
tests_fuzz_kept_LDADD = $(overlay_libs)
fuzz_targets += tests/fuzz/kept.fuzzer
kept_fuzzed = src/lower/kept.c src/lower/kept_write.c src/base/beneath.c src/base/fd.c src/base/iov.c
tests/fuzz/kept.fuzzer: tests/fuzz/kept.c $(kept_fuzzed)
	$(CLANG) $(fuzz_flags) -o $@ $(top_srcdir)/tests/fuzz/kept.c $(addprefix $(top_srcdir)/,$(kept_fuzzed)) $(LIBBSD_LIBS)

# The guest init's parsers.
unit_tests += tests/fuzz/guest
tests_fuzz_guest_SOURCES = tests/fuzz/guest.c $(fuzz_driver)
tests_fuzz_guest_LDADD = $(guest_libs)
fuzz_targets += tests/fuzz/guest.fuzzer
tests/fuzz/guest.fuzzer: tests/fuzz/guest.c $(guest_parsers) $(guest_helpers)
	$(CLANG) $(fuzz_flags) -o $@ $(top_srcdir)/tests/fuzz/guest.c \
		$(addprefix $(top_srcdir)/,$(filter %.c,$(guest_parsers) $(guest_helpers)))

# The vhost-user transport: a guest's memory, a front end's messages.
if LINUX
unit_tests += tests/fuzz/virtq tests/fuzz/vhost
tests_fuzz_virtq_SOURCES = tests/fuzz/virtq.c $(fuzz_driver)
tests_fuzz_virtq_LDADD = $(vhost_libs)
tests_fuzz_vhost_SOURCES = tests/fuzz/vhost.c $(fuzz_driver)
tests_fuzz_vhost_LDADD = libvhosttest.la $(vhost_libs)
fuzz_targets += tests/fuzz/virtq.fuzzer tests/fuzz/vhost.fuzzer
tests/fuzz/virtq.fuzzer: tests/fuzz/virtq.c src/fuse/virtq.c src/fuse/virtq_inflight.c src/fuse/vhost_memory.c
	$(CLANG) $(fuzz_flags) -o $@ $(top_srcdir)/tests/fuzz/virtq.c $(top_srcdir)/src/fuse/virtq.c \
		$(top_srcdir)/src/fuse/virtq_inflight.c $(top_srcdir)/src/fuse/vhost_memory.c
tests/fuzz/vhost.fuzzer: tests/fuzz/vhost.c tests/vhost/tinyfs.c $(libvhost_la_SOURCES) $(libvf_la_SOURCES)
	$(CLANG) $(fuzz_flags) -o $@ $(top_srcdir)/tests/fuzz/vhost.c $(top_srcdir)/tests/vhost/tinyfs.c \
		$(addprefix $(top_srcdir)/,$(filter-out %/vhost_keeper.c %/vhost_record.c,$(filter %.c,$(libvhost_la_SOURCES)))) \
		$(addprefix $(top_srcdir)/,$(filter %.c,$(libvf_la_SOURCES))) \
		$(addprefix $(top_srcdir)/,$(filter %.c,$(libbase_la_SOURCES))) $(LIBBSD_LIBS) $(LIBURING_LIBS) -lpthread
endif

# Requests through the dispatcher.
unit_tests += tests/fuzz/dispatch
tests_fuzz_dispatch_SOURCES = tests/fuzz/dispatch.c tests/fuse/memfs.c tests/fuse/memfs_file.c $(fuzz_driver)
tests_fuzz_dispatch_LDADD = $(fuse_libs)
fuzz_targets += tests/fuzz/dispatch.fuzzer
tests/fuzz/dispatch.fuzzer: tests/fuzz/dispatch.c tests/fuse/memfs.c tests/fuse/memfs_file.c $(libvf_la_SOURCES)
	$(CLANG) $(fuzz_flags) -o $@ $(top_srcdir)/tests/fuzz/dispatch.c $(top_srcdir)/tests/fuse/memfs.c \
		$(top_srcdir)/tests/fuse/memfs_file.c \
		$(addprefix $(top_srcdir)/,$(filter %.c,$(libvf_la_SOURCES))) \
		$(addprefix $(top_srcdir)/,$(filter %.c,$(libbase_la_SOURCES))) $(LIBBSD_LIBS) $(LIBURING_LIBS) -lpthread

fuzz: $(fuzz_targets)
.PHONY: fuzz
CLEANFILES += $(fuzz_targets)
# Fuzz targets. Each is a unit test that replays its corpus (replay.c). To look for new inputs:
#	../configure CC=clang --enable-sanitize=address,undefined CFLAGS='-O1 -g -fsanitize=fuzzer-no-link'
#	make fuzz-marker && tests/fuzz/libfuzzer-marker -max_total_time=60 CORPUS
fuzz_replay = tests/fuzz/replay.c tests/fuzz/fuzz.h
fuzz_corpus = $(srcdir)/tests/fuzz/corpus

unit_tests += tests/fuzz/fuzz_marker
tests_fuzz_fuzz_marker_SOURCES = tests/fuzz/fuzz_marker.c $(fuzz_replay)
tests_fuzz_fuzz_marker_LDADD = $(overlay_libs)

fuzz-%: tests/fuzz/fuzz_%
	$(LIBTOOL) --tag=CC --mode=link $(CC) $(AM_CFLAGS) $(CFLAGS) -fsanitize=fuzzer $(AM_LDFLAGS) \
		-o tests/fuzz/libfuzzer-$* tests/fuzz/fuzz_$*.$(OBJEXT) $(tests_fuzz_fuzz_$*_LDADD) $(LIBS)

EXTRA_DIST += tests/fuzz/corpus
