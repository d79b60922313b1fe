# SPDX-License-Identifier: Apache-2.0
# fuse: protocol, dispatcher, sessions, transports; knows base.
noinst_LTLIBRARIES += libvf.la
libvf_la_SOURCES = \
	src/fuse/attr.c \
	src/fuse/dax.h \
	src/fuse/devfuse.h \
	src/fuse/dispatch.c src/fuse/dispatch.h \
	src/fuse/errno.c src/fuse/errno.h \
	src/fuse/fuse_server.h \
	src/fuse/op_attr.c \
	src/fuse/op_data.c \
	src/fuse/op_dax.c \
	src/fuse/op_dir.c \
	src/fuse/op_init.c \
	src/fuse/op_name.c \
	src/fuse/op_xattr.c \
	src/fuse/probe.c src/fuse/probe.h \
	src/fuse/protocol.h \
	src/fuse/reply.c \
	src/fuse/request.c src/fuse/request.h \
	src/fuse/session.c src/fuse/session.h \
	src/fuse/stats.c src/fuse/stats.h \
	src/fuse/through.c src/fuse/through.h

if LINUX
libvf_la_SOURCES += \
	src/fuse/carrier.h \
	src/fuse/courier.c src/fuse/courier.h \
	src/fuse/devfuse.c \
	src/fuse/devfuse_classic.c \
	src/fuse/devfuse_helper.c \
	src/fuse/devfuse_mount.c src/fuse/devfuse_mount.h \
	src/fuse/devfuse_uring.c src/fuse/devfuse_uring.h \
	src/fuse/device.c src/fuse/device.h \
	src/fuse/follow.c src/fuse/follow.h \
	src/fuse/notices.c src/fuse/notices.h \
	src/fuse/readers.c src/fuse/readers.h
endif

fuse_libs = libvf.la $(base_libs) $(LIBURING_LIBS)
