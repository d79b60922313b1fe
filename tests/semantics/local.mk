# SPDX-License-Identifier: Apache-2.0
# The promises of doc/semantics.md, tried on mounted trees by e2e scripts.
noinst_PROGRAMS += tests/semantics/promises
tests_semantics_promises_SOURCES = \
	tests/semantics/data.c \
	tests/semantics/directories.c \
	tests/semantics/identity.c \
	tests/semantics/main.c \
	tests/semantics/names.c \
	tests/semantics/promise.h
e2e_tests += tests/e2e/semantics.sh tests/e2e/as_upper.sh
