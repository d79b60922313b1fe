# SPDX-License-Identifier: Apache-2.0
# guest: the guest's first process; a static program that links no other part. It is built without
# sanitizers, which a static program cannot have; its parsers are a library of their own for
# the tests, which do.
guest_parsers = \
	src/guest/config.c src/guest/config.h \
	src/guest/device.c src/guest/device.h \
	src/guest/fstypes.c src/guest/fstypes.h \
	src/guest/path.c src/guest/path.h \
	src/guest/text.c src/guest/text.h \
	src/guest/tmpfs.c src/guest/tmpfs.h \
	src/guest/why.c src/guest/why.h \
	src/guest/words.c src/guest/words.h
guest_helpers = \
	src/guest/console.c src/guest/console.h \
	src/guest/file.c src/guest/file.h \
	src/guest/report.c src/guest/report.h

check_LTLIBRARIES += libguest.la
libguest_la_SOURCES = $(guest_parsers) $(guest_helpers)
guest_libs = libguest.la

if GUEST_INIT
pkglibexec_PROGRAMS += veneer-init
endif
veneer_init_SOURCES = $(guest_parsers) $(guest_helpers) \
	src/guest/child.c src/guest/child.h \
	src/guest/main.c \
	src/guest/mounts.c src/guest/mounts.h \
	src/guest/root.c src/guest/root.h
veneer_init_CFLAGS = -std=gnu11 $(WARN_CFLAGS) -ffunction-sections -fdata-sections
veneer_init_LDFLAGS = -all-static -Wl,--gc-sections
