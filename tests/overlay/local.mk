# SPDX-License-Identifier: Apache-2.0
# Tests of src/overlay; link $(test_libs) and $(overlay_libs).
