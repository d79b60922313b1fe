# SPDX-License-Identifier: Apache-2.0
# Tests of src/guest: its parsers as units, the program itself in tests/e2e and tests/vm.
unit_tests += \
	tests/guest/config \
	tests/guest/device \
	tests/guest/file \
	tests/guest/fstypes \
	tests/guest/report \
	tests/guest/text \
	tests/guest/tmpfs \
	tests/guest/words
tests_guest_config_LDADD = $(test_libs) $(guest_libs)
tests_guest_device_LDADD = $(test_libs) $(guest_libs)
tests_guest_file_LDADD = $(test_libs) $(guest_libs)
tests_guest_fstypes_LDADD = $(test_libs) $(guest_libs)
tests_guest_report_LDADD = $(test_libs) $(guest_libs)
tests_guest_text_LDADD = $(test_libs) $(guest_libs)
tests_guest_tmpfs_LDADD = $(test_libs) $(guest_libs)
tests_guest_words_LDADD = $(test_libs) $(guest_libs)
