# SPDX-License-Identifier: Apache-2.0
# Tests of src/lower; link $(test_libs) and $(lower_libs).
lower_tests = tests/lower/base tests/lower/base_objects tests/lower/marker \
	tests/lower/ahead tests/lower/kept tests/lower/base_over_view tests/lower/base_objects_over_view
unit_tests += $(lower_tests)
concurrent_tests += tests/lower/ahead tests/lower/base_objects

base_fixture = tests/lower/base_fixture.c tests/lower/base_fixture.h
tests_lower_ahead_SOURCES = tests/lower/ahead.c $(base_fixture)
tests_lower_ahead_LDADD = $(test_libs) $(lower_libs)
tests_lower_base_SOURCES = tests/lower/base.c $(base_fixture)
tests_lower_base_LDADD = $(test_libs) $(lower_libs)
tests_lower_base_objects_SOURCES = tests/lower/base_objects.c $(base_fixture)
tests_lower_base_objects_LDADD = $(test_libs) $(lower_libs)
# The same tests over kept views.
tests_lower_base_over_view_SOURCES = $(tests_lower_base_SOURCES)
tests_lower_base_over_view_CPPFLAGS = $(AM_CPPFLAGS) -DFX_KEPT
tests_lower_base_over_view_LDADD = $(test_libs) $(lower_libs)
tests_lower_base_objects_over_view_SOURCES = $(tests_lower_base_objects_SOURCES)
tests_lower_base_objects_over_view_CPPFLAGS = $(AM_CPPFLAGS) -DFX_KEPT
tests_lower_base_objects_over_view_LDADD = $(test_libs) $(lower_libs)
tests_lower_kept_SOURCES = tests/lower/kept.c $(base_fixture)
tests_lower_kept_LDADD = $(test_libs) $(lower_libs)
tests_lower_marker_LDADD = $(test_libs) $(lower_libs)
