# SPDX-License-Identifier: Apache-2.0
# Tests of the vhost-user transport (src/fuse/vhost*, virtq*). The hostile_* programs
# print TAP of their own: one line per case, hundreds of them.
if LINUX
check_LTLIBRARIES += libvhosttest.la
libvhosttest_la_SOURCES = \
	tests/vhost/frontend.c tests/vhost/frontend.h \
	tests/vhost/frontend_fuse.c \
	tests/vhost/hostile.c tests/vhost/hostile.h \
	tests/vhost/served.c tests/vhost/served.h \
	tests/vhost/server.c tests/vhost/server.h \
	tests/vhost/tinyfs.c tests/vhost/tinyfs.h
vhost_tests = \
	tests/vhost/hostile_fuse \
	tests/vhost/hostile_memory \
	tests/vhost/hostile_message \
	tests/vhost/hostile_ring \
	tests/vhost/memory \
	tests/vhost/protocol \
	tests/vhost/virtq
unit_tests += $(vhost_tests)
concurrent_tests += tests/vhost/protocol
tests_vhost_hostile_fuse_LDADD = libvhosttest.la $(vhost_libs)
tests_vhost_hostile_memory_LDADD = libvhosttest.la $(vhost_libs)
tests_vhost_hostile_message_LDADD = libvhosttest.la $(vhost_libs)
tests_vhost_hostile_ring_LDADD = libvhosttest.la $(vhost_libs)
tests_vhost_memory_LDADD = $(test_libs) $(vhost_libs)
tests_vhost_protocol_LDADD = libvhosttest.la $(test_libs) $(vhost_libs)
tests_vhost_virtq_LDADD = $(test_libs) $(vhost_libs)

# The command; restarts under load, one script for each way.
noinst_PROGRAMS += tests/vhost/client tests/vhost/hostile_tree tests/vhost/keeper tests/vhost/restart
e2e_tests += tests/vhost/hostile_keeper.sh tests/vhost/hostile_tree.sh tests/vhost/keeper.sh tests/vhost/serve_cli.sh tests/vhost/restart_alone.sh tests/vhost/restart_keeper.sh tests/vhost/restart_upgrade.sh
tests_vhost_client_LDADD = libvhosttest.la $(vhost_libs)
tests_vhost_hostile_tree_LDADD = libvhosttest.la $(vhost_libs)
tests_vhost_keeper_LDADD = libvhosttest.la $(vhost_libs)
tests_vhost_restart_LDADD = libvhosttest.la $(vhost_libs)
endif
