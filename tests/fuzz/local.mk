# SPDX-License-Identifier: Apache-2.0
# Fuzz targets; each one's corpus is replayed by a unit test.
