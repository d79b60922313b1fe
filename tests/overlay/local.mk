# SPDX-License-Identifier: Apache-2.0
# Tests of src/overlay; link $(test_libs) and $(overlay_libs).
unit_tests += \
	tests/overlay/acl \
	tests/overlay/base \
	tests/overlay/extents
tests_overlay_acl_LDADD = $(test_libs) $(overlay_libs)
tests_overlay_base_SOURCES = tests/overlay/base.c tests/overlay/base_fixture.c tests/overlay/base_fixture.h
tests_overlay_base_LDADD = $(test_libs) $(overlay_libs)
tests_overlay_extents_LDADD = $(test_libs) $(overlay_libs)
