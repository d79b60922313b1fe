# SPDX-License-Identifier: Apache-2.0
# Tests of src/store; link $(test_libs) and $(store_libs).
