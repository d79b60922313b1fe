# SPDX-License-Identifier: Apache-2.0
# overlay: the tree; knows store and base.
noinst_LTLIBRARIES += liboverlay.la
liboverlay_la_SOURCES = \
	src/overlay/acl.c \
	src/overlay/attr.c src/overlay/attr.h \
	src/overlay/base.h \
	src/overlay/copy.c \
	src/overlay/copyup.c src/overlay/copyup.h \
	src/overlay/data.c src/overlay/data.h \
	src/overlay/diff.c \
	src/overlay/dirops.h \
	src/overlay/extents.c src/overlay/extents.h \
	src/overlay/file.c src/overlay/file.h \
	src/overlay/ioctl.c src/overlay/ioctl.h \
	src/overlay/load.c \
	src/overlay/lowers.c src/overlay/lowers.h \
	src/overlay/make.c \
	src/overlay/names.c src/overlay/names.h \
	src/overlay/node.c \
	src/overlay/number.c \
	src/overlay/overlay.h \
	src/overlay/readdir.c \
	src/overlay/remove.c \
	src/overlay/rename.c \
	src/overlay/resize.c \
	src/overlay/row.c \
	src/overlay/run.c src/overlay/run.h \
	src/overlay/session.c \
	src/overlay/settle.c \
	src/overlay/space.c \
	src/overlay/touch.c \
	src/overlay/tree.c src/overlay/tree.h \
	src/overlay/verbs.c src/overlay/verbs.h \
	src/overlay/virtual.c src/overlay/virtual.h \
	src/overlay/xattr.c src/overlay/xattr.h

overlay_libs = liboverlay.la $(store_libs)
