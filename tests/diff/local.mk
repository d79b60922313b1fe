# SPDX-License-Identifier: Apache-2.0
# The differential tester and the maker of layers; used by tests/e2e/differential*.sh.
test_tools += tests/diff/difftree tests/diff/mklayers
tests_diff_difftree_SOURCES = \
	tests/diff/difftree.c \
	tests/diff/ops_dir.c \
	tests/diff/ops_file.c \
	tests/diff/ops_path.c \
	tests/diff/ops_xattr.c \
	tests/diff/rand.h \
	tests/diff/tree.c tests/diff/tree.h \
	tests/diff/world.c tests/diff/world.h
tests_diff_difftree_LDADD = $(LIBBSD_LIBS)
tests_diff_mklayers_SOURCES = tests/diff/mklayers.c tests/diff/rand.h

e2e_tests += tests/e2e/differential.sh tests/e2e/differential_kernel.sh
quick_e2e_tests += tests/e2e/differential.sh
concurrent_tests += tests/e2e/differential.sh
test_data += tests/e2e/diff_lib.sh
