# SPDX-License-Identifier: Apache-2.0
# Tests of the merged base.
base_tests = tests/overlay/base tests/overlay/base_objects tests/overlay/marker
unit_tests += $(base_tests)
concurrent_tests += tests/overlay/base_objects

base_fixture = tests/overlay/base_fixture.c tests/overlay/base_fixture.h
tests_overlay_base_SOURCES = tests/overlay/base.c $(base_fixture)
tests_overlay_base_LDADD = $(test_libs) $(overlay_libs)
tests_overlay_base_objects_SOURCES = tests/overlay/base_objects.c $(base_fixture)
tests_overlay_base_objects_LDADD = $(test_libs) $(overlay_libs)
tests_overlay_marker_LDADD = $(test_libs) $(overlay_libs)
