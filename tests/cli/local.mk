# SPDX-License-Identifier: Apache-2.0
unit_tests += \
	tests/cli/args \
	tests/cli/control \
	tests/cli/hostmounts \
	tests/cli/idmap \
	tests/cli/layers \
	tests/cli/link \
	tests/cli/mount_options \
	tests/cli/out
script_tests += tests/cli/manual
concurrent_tests += tests/cli/control
tests_cli_args_LDADD = $(test_libs) $(cli_libs)
tests_cli_control_LDADD = $(test_libs) $(cli_libs)
tests_cli_hostmounts_LDADD = $(test_libs) $(cli_libs)
tests_cli_idmap_LDADD = $(test_libs) $(cli_libs)
tests_cli_layers_LDADD = $(test_libs) $(cli_libs)
tests_cli_mount_options_LDADD = $(test_libs) $(cli_libs)
tests_cli_link_LDADD = $(test_libs) $(cli_libs)
tests_cli_out_LDADD = $(test_libs) $(cli_libs)

if LINUX
unit_tests += tests/cli/sandbox
tests_cli_sandbox_LDADD = $(test_libs) $(cli_libs)
endif
