# SPDX-License-Identifier: Apache-2.0
# Tests of src/store; link $(test_libs) and $(store_libs).
store_tests = tests/store/store tests/store/birth tests/store/damage tests/store/forks tests/store/layers tests/store/merge tests/store/snapshots tests/store/space
unit_tests += $(store_tests)
power_tests += tests/store/power
concurrent_tests += $(store_tests)

tests_store_store_SOURCES = tests/store/store.c tests/store/help.h
tests_store_store_LDADD = $(test_libs) $(store_libs)
tests_store_birth_SOURCES = tests/store/birth.c tests/store/help.h
tests_store_birth_LDADD = $(test_libs) $(store_libs)
tests_store_layers_SOURCES = tests/store/layers.c tests/store/help.h
tests_store_layers_LDADD = $(test_libs) $(store_libs)
tests_store_snapshots_SOURCES = tests/store/snapshots.c tests/store/help.h
tests_store_snapshots_LDADD = $(test_libs) $(store_libs)
tests_store_space_SOURCES = tests/store/space.c tests/store/help.h
tests_store_space_LDADD = $(test_libs) $(store_libs)
tests_store_merge_SOURCES = tests/store/merge.c tests/store/help.h
tests_store_merge_LDADD = $(test_libs) $(store_libs)
tests_store_power_SOURCES = tests/store/power.c tests/store/help.h
tests_store_power_LDADD = $(test_libs) $(store_libs)
tests_store_forks_SOURCES = tests/store/forks.c tests/store/help.h
tests_store_forks_LDADD = $(test_libs) $(store_libs)
tests_store_damage_SOURCES = tests/store/damage.c tests/store/help.h
tests_store_damage_LDADD = $(test_libs) $(store_libs)
