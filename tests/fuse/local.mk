# SPDX-License-Identifier: Apache-2.0
# Tests of src/fuse; link $(test_libs) and $(fuse_libs).
