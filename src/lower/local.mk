# SPDX-License-Identifier: Apache-2.0
# lower: all lower directories as one tree that does not change; knows base.
noinst_LTLIBRARIES += liblower.la
liblower_la_SOURCES = \
	src/lower/ahead.c src/lower/ahead.h \
	src/lower/base.h \
	src/lower/base_ahead.c \
	src/lower/base_attr.c \
	src/lower/base_dir.c \
	src/lower/base_fds.c \
	src/lower/base_keep.c \
	src/lower/base_kept.c src/lower/base_kept.h \
	src/lower/base_list.c \
	src/lower/base_lookup.c \
	src/lower/base_marks.c \
	src/lower/base_metacopy.c \
	src/lower/base_names.c src/lower/base_names.h \
	src/lower/base_object.h \
	src/lower/base_open.c \
	src/lower/base_parts.c src/lower/base_parts.h \
	src/lower/base_redirect.c src/lower/base_redirect.h \
	src/lower/base_watch.c \
	src/lower/base_xattr.c \
	src/lower/kept.c src/lower/kept.h \
	src/lower/kept_id.c \
	src/lower/kept_links.c src/lower/kept_links.h \
	src/lower/kept_make.c \
	src/lower/kept_samples.c src/lower/kept_samples.h \
	src/lower/kept_write.c src/lower/kept_write.h \
	src/lower/layer.c src/lower/layer.h \
	src/lower/layer_dents.c \
	src/lower/layer_mount.c src/lower/layer_mount.h \
	src/lower/layer_stat.c \
	src/lower/layer_xattr.c \
	src/lower/marker.c src/lower/marker.h

lower_libs = liblower.la $(base_libs)
