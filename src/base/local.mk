# SPDX-License-Identifier: Apache-2.0
# base: knows nobody.
noinst_LTLIBRARIES += libbase.la
libbase_la_SOURCES = \
	src/base/beneath.c \
	src/base/cfg.h \
	src/base/clock.c src/base/clock.h \
	src/base/copy.c src/base/copy.h \
	src/base/darwin.c src/base/darwin.h \
	src/base/err.c src/base/err.h \
	src/base/fd.c src/base/fd.h \
	src/base/fs.h \
	src/base/hash.h \
	src/base/iov.c src/base/iov.h \
	src/base/log.c src/base/log.h \
	src/base/scope.h \
	src/base/thread.c src/base/thread.h \
	src/base/vec.h

base_libs = libbase.la $(LIBBSD_LIBS)
