# SPDX-License-Identifier: Apache-2.0
# Tests of src/overlay; link $(test_libs) and $(overlay_libs).

overlay_tests = \
	tests/overlay/acl \
	tests/overlay/data \
	tests/overlay/data_model \
	tests/overlay/deep \
	tests/overlay/extents \
	tests/overlay/names \
	tests/overlay/opening \
	tests/overlay/refs \
	tests/overlay/run \
	tests/overlay/tree_identity \
	tests/overlay/tree_merge \
	tests/overlay/tree_merge_random \
	tests/overlay/tree_model \
	tests/overlay/tree_names \
	tests/overlay/tree_restart \
	tests/overlay/tree_snapshot \
	tests/overlay/tree_virtual \
	tests/overlay/tree_identity_over_view \
	tests/overlay/tree_names_over_view \
	tests/overlay/tree_restart_over_view
unit_tests += $(overlay_tests)
concurrent_tests += tests/overlay/data tests/overlay/opening

engine_sources = tests/overlay/engine.c tests/overlay/engine.h

tests_overlay_acl_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_data_SOURCES = tests/overlay/data.c $(engine_sources)
tests_overlay_data_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_data_model_SOURCES = tests/overlay/data_model.c tests/overlay/model.c tests/overlay/model.h $(engine_sources)
tests_overlay_data_model_LDADD = $(test_libs) $(overlay_libs)

long_tests += tests/overlay/data_power
tests_overlay_data_power_SOURCES = tests/overlay/data_power.c tests/overlay/model.c tests/overlay/model.h $(engine_sources)
tests_overlay_data_power_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_deep_SOURCES = tests/overlay/deep.c $(engine_sources)
tests_overlay_deep_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_extents_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_names_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_opening_SOURCES = tests/overlay/opening.c $(engine_sources)
tests_overlay_opening_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_refs_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_run_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_tree_identity_SOURCES = tests/overlay/tree_identity.c $(engine_sources)
tests_overlay_tree_identity_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_tree_merge_SOURCES = tests/overlay/tree_merge.c $(engine_sources)
tests_overlay_tree_merge_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_tree_model_SOURCES = tests/overlay/tree_model.c tests/overlay/tree_state.c tests/overlay/tree_state.h \
	tests/overlay/lean.c tests/overlay/lean.h $(engine_sources)
tests_overlay_tree_model_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_tree_names_SOURCES = tests/overlay/tree_names.c $(engine_sources)
tests_overlay_tree_names_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_tree_restart_SOURCES = tests/overlay/tree_restart.c $(engine_sources)
tests_overlay_tree_restart_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_tree_snapshot_SOURCES = tests/overlay/tree_snapshot.c $(engine_sources)
tests_overlay_tree_snapshot_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_tree_virtual_SOURCES = tests/overlay/tree_virtual.c $(engine_sources)
tests_overlay_tree_virtual_LDADD = $(test_libs) $(overlay_libs)

# The same over kept views of the lowers.
tests_overlay_tree_identity_over_view_SOURCES = $(tests_overlay_tree_identity_SOURCES)
tests_overlay_tree_identity_over_view_CPPFLAGS = $(AM_CPPFLAGS) -DENGINE_KEPT
tests_overlay_tree_identity_over_view_LDADD = $(test_libs) $(overlay_libs)
tests_overlay_tree_names_over_view_SOURCES = $(tests_overlay_tree_names_SOURCES)
tests_overlay_tree_names_over_view_CPPFLAGS = $(AM_CPPFLAGS) -DENGINE_KEPT
tests_overlay_tree_names_over_view_LDADD = $(test_libs) $(overlay_libs)
tests_overlay_tree_restart_over_view_SOURCES = $(tests_overlay_tree_restart_SOURCES)
tests_overlay_tree_restart_over_view_CPPFLAGS = $(AM_CPPFLAGS) -DENGINE_KEPT
tests_overlay_tree_restart_over_view_LDADD = $(test_libs) $(overlay_libs)

tests_overlay_tree_merge_random_SOURCES = tests/overlay/tree_merge_random.c $(engine_sources)
tests_overlay_tree_merge_random_LDADD = $(test_libs) $(overlay_libs)
