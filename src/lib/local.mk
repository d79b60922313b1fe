# SPDX-License-Identifier: Apache-2.0
# lib: libveneer, the installed C API; ties overlay and fuse together for programs
# that embed them. Only veneer_* is exported.
lib_LTLIBRARIES += libveneer.la
include_HEADERS += include/veneer.h
libveneer_la_SOURCES = src/lib/lib.h src/lib/open.c src/lib/session.c
# What an embedder needs, each once: a library takes convenience libraries in whole.
libveneer_la_LIBADD = libvf.la liboverlay.la liblower.la libstore.la libbase.la \
	$(SQLITE3_LIBS) $(LIBURING_LIBS) $(LIBBSD_LIBS)
libveneer_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0 -export-symbols-regex '^veneer_'
