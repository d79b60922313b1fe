# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += scripts/lib.sh scripts/quickstart scripts/test scripts/demo scripts/torture
