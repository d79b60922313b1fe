// SPDX-License-Identifier: Apache-2.0
/*
 * For the tests of the base: lower directories made by a few words, and a
 * merged directory shown as one line of text. Layers lie in the scratch
 * directory, "0" on top; paths begin with the layer's number.
 */
#ifndef TESTS_OVERLAY_BASE_FIXTURE_H
#define TESTS_OVERLAY_BASE_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "lower/base.h"

/* Make things, with missing parents. Each fails the test when it cannot. */
void fx_dir(const char *path);
void fx_file(const char *path, const char *content);
void fx_node(const char *path, unsigned mode, unsigned major, unsigned minor); /* mknod */
void fx_link(const char *path, const char *target);
void fx_hard(const char *from, const char *to);
/* Sets an attribute; false: it may not be set here (trusted. without privilege, no user. on this file system). */
bool fx_mark_bytes(const char *path, const char *name, const void *value, size_t size);
bool fx_mark(const char *path, const char *name, const char *value);
/* The host's path of a fixture path; a static buffer. */
const char *fx_host(const char *path);

/* Opens layers 0..n-1. */
struct base *fx_open(size_t n);
/* A descriptor of the directory that kept views go to; the caller closes it. */
int fx_cache(void);
/* Every base is opened over a view of its layers (built with -DFX_KEPT). */
extern const bool fx_kept;
struct base *fx_open_with(size_t n, const char *exclude, bool noxattr);

/*
 * The directory at a base path as text: names in byte order, "name@LAYER" for
 * files, "name(l)@LAYER" for links (c, b, p, s likewise), "name/0,2" for
 * directories with their layers. "!ERRNO" when it cannot be listed. Every name
 * is looked up as well and must be the same. A static buffer.
 */
const char *fx_list(struct base *b, const char *path);
/* 0, or what base_lookup says of a path. */
int fx_lookup(struct base *b, const char *path);
int fx_attr(struct base *b, const char *path, struct vn_attr *attr);
/* The content of a file; a static buffer. "!ERRNO" when it cannot be read. */
const char *fx_read(struct base *b, const char *path);
const char *fx_readlink(struct base *b, const char *path);
/* The names of an object's attributes, joined by spaces, without security.selinux; a static buffer. */
const char *fx_xattrs(struct base *b, const char *path);
/* An attribute's value as text, or "!ERRNO"; a static buffer. */
const char *fx_xattr(struct base *b, const char *path, const char *name);

bool fx_is_root(void);

#endif
