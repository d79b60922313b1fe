# SPDX-License-Identifier: Apache-2.0
# fuse: the vhost-user transport, which is Linux's own.
if LINUX
noinst_LTLIBRARIES += libvhost.la
libvhost_la_SOURCES = \
	src/fuse/vhost_device.c src/fuse/vhost_device.h \
	src/fuse/vhost_fault.c src/fuse/vhost_fault.h \
	src/fuse/vhost_inflight.c src/fuse/vhost_inflight.h \
	src/fuse/vhost_keeper.c src/fuse/vhost_keeper.h \
	src/fuse/vhost_log.c src/fuse/vhost_log.h \
	src/fuse/vhost_memory.c src/fuse/vhost_memory.h \
	src/fuse/vhost_message.c src/fuse/vhost_message.h \
	src/fuse/vhost_queue.c src/fuse/vhost_queue.h \
	src/fuse/vhost_record.c src/fuse/vhost_record.h \
	src/fuse/vhost_sentinel.c \
	src/fuse/vhost_server.c src/fuse/vhost_server.h \
	src/fuse/vhost_session.c \
	src/fuse/vhost_state.c \
	src/fuse/vhost_wire.c src/fuse/vhost_wire.h \
	src/fuse/vhost_worker.c \
	src/fuse/virtq.c src/fuse/virtq.h \
	src/fuse/virtq_inflight.c
vhost_libs = libvhost.la $(fuse_libs)
endif
