# SPDX-License-Identifier: Apache-2.0
# overlay: the tree; knows lower, store and base.
noinst_LTLIBRARIES += liboverlay.la
liboverlay_la_SOURCES = \
	src/overlay/acl.c \
	src/overlay/attr.c src/overlay/attr.h \
	src/overlay/check.c \
	src/overlay/copy.c \
	src/overlay/copyup.c src/overlay/copyup.h \
	src/overlay/data.c src/overlay/data.h \
	src/overlay/backing.c \
	src/overlay/between.c src/overlay/between.h src/overlay/between_names.c src/overlay/between_restored.c src/overlay/between_search.c \
	src/overlay/between_state.c \
	src/overlay/deep.c src/overlay/deep.h \
	src/overlay/deep_places.c src/overlay/deep_places.h \
	src/overlay/deep_tell.c \
	src/overlay/deep_views.c \
	src/overlay/dirops.h \
	src/overlay/extents.c src/overlay/extents.h \
	src/overlay/file.c src/overlay/file.h \
	src/overlay/flush.c \
	src/overlay/ioctl.c src/overlay/ioctl.h \
	src/overlay/keep.c src/overlay/keep.h \
	src/overlay/level.c \
	src/overlay/load.c src/overlay/load.h src/overlay/load_base.c src/overlay/load_names.c src/overlay/load_row.c \
	src/overlay/lowers.c src/overlay/lowers.h src/overlay/opening.c src/overlay/opening.h \
	src/overlay/make.c \
	src/overlay/names.c src/overlay/names.h \
	src/overlay/node.c \
	src/overlay/number.c \
	src/overlay/orphan.c \
	src/overlay/overlay.h \
	src/overlay/print.c src/overlay/print.h \
	src/overlay/prints.h src/overlay/prints_format.h \
	src/overlay/prints_read.c src/overlay/prints_write.c \
	src/overlay/readdir.c \
	src/overlay/refs.c src/overlay/refs.h \
	src/overlay/remove.c \
	src/overlay/rename.c \
	src/overlay/resize.c \
	src/overlay/row.c \
	src/overlay/run.c src/overlay/run.h \
	src/overlay/seen.c src/overlay/seen.h \
	src/overlay/session.c \
	src/overlay/settle.c \
	src/overlay/snapshot.c \
	src/overlay/space.c \
	src/overlay/survey.c src/overlay/survey.h \
	src/overlay/tell.c \
	src/overlay/touch.c \
	src/overlay/tree.c src/overlay/tree.h \
	src/overlay/turn.c \
	src/overlay/verb.h src/overlay/verbs.c src/overlay/verbs.h src/overlay/verbs_data.c \
	src/overlay/virtual.c src/overlay/virtual.h \
	src/overlay/walk.c src/overlay/walk.h \
	src/overlay/writeback.c \
	src/overlay/xattr.c src/overlay/xattr.h src/overlay/xattr_acl.c \
	src/overlay/xattrs.c src/overlay/xattrs.h

overlay_libs = liboverlay.la liblower.la $(store_libs)
