# SPDX-License-Identifier: Apache-2.0
# One behaviour per script, tests/e2e/NAME.sh; each sources lib.sh.
e2e_tests += tests/e2e/version.sh
e2e_tests += tests/e2e/guest-init.sh
quick_e2e_tests += tests/e2e/version.sh
e2e_tests += \
	tests/e2e/cli_errors.sh \
	tests/e2e/cli_look.sh \
	tests/e2e/cli_mount.sh \
	tests/e2e/cli_run.sh \
	tests/e2e/cli_unprivileged.sh
quick_e2e_tests += \
	tests/e2e/courier.sh \
	tests/e2e/cli_look.sh \
	tests/e2e/cli_mount.sh \
	tests/e2e/cli_run.sh
# Real input: what they need besides scripts is built here.
noinst_PROGRAMS += tests/e2e/treesum
e2e_tests += tests/e2e/bench_compare.sh
noinst_PROGRAMS += tests/e2e/reporter
e2e_tests += \
	tests/e2e/base_cache.sh \
	tests/e2e/big_lower_file.sh \
	tests/e2e/courier.sh \
	tests/e2e/debian_root.sh \
	tests/e2e/full_disk.sh \
	tests/e2e/index_while_mounted.sh \
	tests/e2e/kill_in_checkout.sh \
	tests/e2e/many_layers.sh \
	tests/e2e/messages.sh \
	tests/e2e/metadata_copies_no_data.sh \
	tests/e2e/passthrough.sh \
	tests/e2e/read_ahead.sh \
	tests/e2e/unprivileged_layers.sh
quick_e2e_tests += \
	tests/e2e/index_while_mounted.sh \
	tests/e2e/messages.sh \
	tests/e2e/passthrough.sh \
	tests/e2e/read_ahead.sh
concurrent_tests += tests/e2e/read_ahead.sh
test_data += tests/e2e/debian_cache
e2e_tests += \
	tests/e2e/diff_histories.sh \
	tests/e2e/snapshot_diff.sh \
	tests/e2e/snapshot_kill.sh \
	tests/e2e/snapshot_pages.sh \
	tests/e2e/snapshot_power.sh \
	tests/e2e/snapshot_live.sh
quick_e2e_tests += tests/e2e/snapshot_diff.sh
e2e_tests += tests/e2e/check_deep.sh
quick_e2e_tests += tests/e2e/check_deep.sh
test_data += tests/e2e/diff_histories.py
