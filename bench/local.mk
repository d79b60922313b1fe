# SPDX-License-Identifier: Apache-2.0
# Benchmarks: run by hand; the test suite only looks whether they work.
noinst_PROGRAMS += bench/work
bench_work_SOURCES = bench/work.c bench/work.h bench/work_data.c bench/work_names.c

EXTRA_DIST += bench/README.md bench/compare bench/guest bench/layers.sh bench/snapshot bench/systems.sh bench/table.awk bench/workloads
# Benchmarks: scripts, run by hand, never by `make check`.

# The front end of bench/vhost, which builds it.
EXTRA_DIST += bench/vhost
if LINUX
EXTRA_PROGRAMS = bench/vhost_client
bench_vhost_client_LDADD = libvhosttest.la $(vhost_libs)
CLEANFILES += bench/vhost_client
endif
