# SPDX-License-Identifier: Apache-2.0
# store: the writable layer; knows base.
noinst_LTLIBRARIES += libstore.la
libstore_la_SOURCES = \
	src/store/applier.c \
	src/store/batch.c src/store/batch.h \
	src/store/birth.c \
	src/store/chain.c src/store/chain.h \
	src/store/change.c \
	src/store/check.c \
	src/store/commit.c \
	src/store/data.c src/store/data.h \
	src/store/extent.c \
	src/store/facts.c \
	src/store/fault.c src/store/fault.h \
	src/store/head.c src/store/head.h \
	src/store/fork.c \
	src/store/fork_place.c \
	src/store/layout.c \
	src/store/merge.c src/store/merge.h \
	src/store/merge_bytes.c \
	src/store/merge_dead.c \
	src/store/numbers.c \
	src/store/open.c \
	src/store/parents.c \
	src/store/read.c src/store/read.h \
	src/store/read_list.c \
	src/store/read_table.c \
	src/store/reader.c src/store/reader.h \
	src/store/record.c src/store/record.h \
	src/store/recover.c \
	src/store/repair.c \
	src/store/replay.c \
	src/store/refs.c src/store/refs.h \
	src/store/requests.c src/store/requests.h \
	src/store/reserve.c \
	src/store/ring.c src/store/ring.h \
	src/store/room.c \
	src/store/salvage.c src/store/salvage.h \
	src/store/schema.c src/store/schema.h \
	src/store/seal.c \
	src/store/seen.c \
	src/store/sqlerr.c src/store/sqlerr.h \
	src/store/state.h \
	src/store/stock.c src/store/stock.h \
	src/store/store.h \
	src/store/upper.c \
	src/store/writer.c src/store/writer.h

store_libs = libstore.la $(base_libs) $(SQLITE3_LIBS)
