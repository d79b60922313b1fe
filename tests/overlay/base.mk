# SPDX-License-Identifier: Apache-2.0
# Tests of the merged base.
base_tests = tests/overlay/base tests/overlay/base_objects tests/overlay/marker \
	tests/overlay/kept tests/overlay/base_over_view tests/overlay/base_objects_over_view
unit_tests += $(base_tests)
concurrent_tests += tests/overlay/base_objects

base_fixture = tests/overlay/base_fixture.c tests/overlay/base_fixture.h
tests_overlay_base_SOURCES = tests/overlay/base.c $(base_fixture)
tests_overlay_base_LDADD = $(test_libs) $(overlay_libs)
tests_overlay_base_objects_SOURCES = tests/overlay/base_objects.c $(base_fixture)
tests_overlay_base_objects_LDADD = $(test_libs) $(overlay_libs)
# The same tests over kept views.
tests_overlay_base_over_view_SOURCES = $(tests_overlay_base_SOURCES)
tests_overlay_base_over_view_CPPFLAGS = $(AM_CPPFLAGS) -DFX_KEPT
tests_overlay_base_over_view_LDADD = $(test_libs) $(overlay_libs)
tests_overlay_base_objects_over_view_SOURCES = $(tests_overlay_base_objects_SOURCES)
tests_overlay_base_objects_over_view_CPPFLAGS = $(AM_CPPFLAGS) -DFX_KEPT
tests_overlay_base_objects_over_view_LDADD = $(test_libs) $(overlay_libs)
tests_overlay_kept_SOURCES = tests/overlay/kept.c $(base_fixture)
tests_overlay_kept_LDADD = $(test_libs) $(overlay_libs)
tests_overlay_marker_LDADD = $(test_libs) $(overlay_libs)
