# SPDX-License-Identifier: Apache-2.0
# store: the writable layer; knows base.
store_headers = src/store/store.h
EXTRA_DIST += $(store_headers)

store_libs = $(base_libs) $(SQLITE3_LIBS)
