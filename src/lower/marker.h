// SPDX-License-Identifier: Apache-2.0
/*
 * Markers of lower directories: what a file name or an extended attribute
 * says. Pure parsing of bytes that somebody else wrote; no system calls.
 */
#ifndef LOWER_MARKER_H
#define LOWER_MARKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fs.h"

enum marker_name {
	MARKER_NAME_PLAIN,    /* no marker */
	MARKER_NAME_WHITEOUT, /* ".wh.NAME" hides NAME in the layers below */
	MARKER_NAME_OPAQUE,   /* ".wh..wh..opq" hides all that the layers below have in this directory */
	MARKER_NAME_RESERVED, /* AUFS bookkeeping: means nothing and is never shown */
};

/* What a name in a lower directory means. For a whiteout *hidden and *hidden_len say what it hides (inside name). */
enum marker_name marker_name(const char *name, size_t len, const char **hidden, size_t *hidden_len);

#define MARKER_OPAQUE_FILE ".wh..wh..opq"
#define MARKER_WHITEOUT_PREFIX ".wh."
/* The longest name that still has room for the prefix. */
#define MARKER_WHITEOUT_MAX (VN_NAME_MAX - sizeof(MARKER_WHITEOUT_PREFIX) + 1)

enum marker_xattr {
	MARKER_XATTR_PLAIN, /* an attribute of the object's own: shown */
	MARKER_XATTR_OPAQUE,
	MARKER_XATTR_WHITEOUT,
	MARKER_XATTR_REDIRECT,
	MARKER_XATTR_METACOPY,
	MARKER_XATTR_OVERRIDE, /* owner, mode, type */
	MARKER_XATTR_HIDDEN,   /* another one of an overlay's own */
	MARKER_XATTR_ESCAPED,  /* "overlay.overlay.X": shown as "overlay.X" */
};

/* What the attribute of this name means on a lower object. */
enum marker_xattr marker_xattr(const char *name);
/* Is it one of "trusted.overlay." or "user.overlay."? Such ones show that an overlay has worked in this directory. */
bool marker_xattr_is_overlay(const char *name);

/*
 * Names of attributes as the client sees them and as the lower has them. Both
 * write a NUL-terminated name of at most VN_XATTR_NAME_MAX bytes to out.
 * marker_xattr_show: the client's name of an ESCAPED one. marker_xattr_stored:
 * where the client's attribute is to be looked for; -VN_ENOATTR when no lower
 * can have it (hidden, or too long).
 */
void marker_xattr_show(const char *name, char out[VN_XATTR_NAME_MAX + 1]);
int marker_xattr_stored(const char *name, char out[VN_XATTR_NAME_MAX + 1]);

/* Names of the overrides, in order of precedence, and of the other markers that are asked for by name. */
#define MARKER_OVERRIDES 3
extern const char *const marker_override_names[MARKER_OVERRIDES];
/* The index of name in marker_override_names, or -1. */
int marker_override_kind(const char *name);

#define MARKER_VALUE_MAX 256 /* longest value of an override that is looked at */

struct marker_override {
	uint32_t uid, gid;
	uint32_t perm; /* 07777 */
	uint32_t type; /* S_IF*; 0: as the host has it */
	uint32_t major, minor;
};

/* Reads the text or the binary form. -EINVAL: malformed; *out is then as it was. */
int marker_override_parse(const void *value, size_t len, struct marker_override *out);

/* The value of an opaque attribute: 'y' opaque, 'x' has whiteouts that are files with an attribute, 0 neither. */
char marker_opaque_value(const void *value, size_t len);

/*
 * A redirect's value: an absolute path of the merged tree without trailing '/',
 * or one name. -EINVAL: anything else (empty, "." or ".." or overlong names, NUL).
 */
int marker_redirect_check(const char *value, size_t len);

#endif
