# SPDX-License-Identifier: Apache-2.0
# Benchmarks: scripts, run by hand, never by `make check`.
