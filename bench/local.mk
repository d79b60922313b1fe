# SPDX-License-Identifier: Apache-2.0
# Benchmarks: run by hand; the test suite only looks whether they work.
noinst_PROGRAMS += bench/work
bench_work_SOURCES = bench/work.c bench/work.h bench/work_data.c bench/work_names.c

EXTRA_DIST += bench/README.md bench/compare bench/layers.sh bench/systems.sh bench/table.awk bench/workloads
