# SPDX-License-Identifier: Apache-2.0
# Tests of src/lib; link $(test_libs) libveneer.la.
unit_tests += tests/lib/embed
concurrent_tests += tests/lib/embed
tests_lib_embed_SOURCES = tests/lib/embed.c
tests_lib_embed_LDADD = $(test_libs) libveneer.la

if LINUX
script_tests += tests/lib/example.sh
noinst_PROGRAMS += doc/examples/embed
doc_examples_embed_SOURCES = doc/examples/embed.c
doc_examples_embed_LDADD = libveneer.la
endif
EXTRA_DIST += doc/examples/embed.c
