# SPDX-License-Identifier: Apache-2.0
# Tests of src/lib; link $(test_libs) libveneer.la.
