# SPDX-License-Identifier: Apache-2.0
# Tests of src/cli; they run $(top_builddir)/veneer or link what they test.
