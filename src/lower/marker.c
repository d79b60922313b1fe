// SPDX-License-Identifier: Apache-2.0
#include "lower/marker.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cfg.h"

#define LEN(literal) (sizeof(literal) - 1)

const char *const marker_override_names[MARKER_OVERRIDES] = {
	"user.containers.override_stat",
	"security.fuseoverlayfs.override_stat",
	"user.fuseoverlayfs.override_stat",
};

/* Directories of attributes that are all an overlay's own. */
static const char *const marker_own_prefixes[] = {
	"user.fuseoverlayfs.",
	"security.fuseoverlayfs.",
	"trusted.fuseoverlayfs.",
};

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

/* ---- names ---- */

enum marker_name marker_name(const char *name, size_t len, const char **hidden, size_t *hidden_len)
{
	const size_t prefix = LEN(MARKER_WHITEOUT_PREFIX);

	if (len < prefix || memcmp(name, MARKER_WHITEOUT_PREFIX, prefix) != 0)
		return MARKER_NAME_PLAIN;
	if (len == LEN(MARKER_OPAQUE_FILE) && memcmp(name, MARKER_OPAQUE_FILE, len) == 0)
		return MARKER_NAME_OPAQUE;
	if (len == prefix)
		return MARKER_NAME_RESERVED;
	if (len >= 2 * prefix && memcmp(name + prefix, MARKER_WHITEOUT_PREFIX, prefix) == 0)
		return MARKER_NAME_RESERVED;
	*hidden = name + prefix;
	*hidden_len = len - prefix;
	return MARKER_NAME_WHITEOUT;
}

/* ---- names of attributes ---- */

/* What follows "trusted.overlay." or "user.overlay.", or NULL. */
static const char *marker_overlay_part(const char *name)
{
	if (starts(name, "trusted.overlay."))
		return name + LEN("trusted.overlay.");
	if (starts(name, "user.overlay."))
		return name + LEN("user.overlay.");
	return NULL;
}

bool marker_xattr_is_overlay(const char *name)
{
	return marker_overlay_part(name) != NULL;
}

static enum marker_xattr marker_overlay_meaning(const char *part)
{
	if (starts(part, "overlay."))
		return MARKER_XATTR_ESCAPED;
	if (strcmp(part, "opaque") == 0)
		return MARKER_XATTR_OPAQUE;
	if (strcmp(part, "whiteout") == 0)
		return MARKER_XATTR_WHITEOUT;
	if (strcmp(part, "redirect") == 0)
		return MARKER_XATTR_REDIRECT;
	if (strcmp(part, "metacopy") == 0)
		return MARKER_XATTR_METACOPY;
	return MARKER_XATTR_HIDDEN;
}

enum marker_xattr marker_xattr(const char *name)
{
	const char *part = marker_overlay_part(name);

	if (part)
		return marker_overlay_meaning(part);
	if (marker_override_kind(name) >= 0)
		return MARKER_XATTR_OVERRIDE;
	if (strcmp(name, "user.fuseoverlayfs.opaque") == 0)
		return MARKER_XATTR_OPAQUE;
	for (size_t i = 0; i < VN_ARRAY_LEN(marker_own_prefixes); i++) {
		if (starts(name, marker_own_prefixes[i]))
			return MARKER_XATTR_HIDDEN;
	}
	return MARKER_XATTR_PLAIN;
}

void marker_xattr_show(const char *name, char out[VN_XATTR_NAME_MAX + 1])
{
	const char *part = marker_overlay_part(name);
	size_t head = (size_t)(part - name);

	memcpy(out, name, head);
	strlcpy(out + head, part + LEN("overlay."), VN_XATTR_NAME_MAX + 1 - head);
}

int marker_xattr_stored(const char *name, char out[VN_XATTR_NAME_MAX + 1])
{
	const char *part = marker_overlay_part(name);
	size_t len = strlen(name), head;

	if (len > VN_XATTR_NAME_MAX)
		return -VN_ENOATTR;
	if (!part) {
		if (marker_xattr(name) != MARKER_XATTR_PLAIN)
			return -VN_ENOATTR;
		memcpy(out, name, len + 1);
		return 0;
	}
	if (len + LEN("overlay.") > VN_XATTR_NAME_MAX)
		return -VN_ENOATTR;
	head = (size_t)(part - name);
	memcpy(out, name, head);
	memcpy(out + head, "overlay.", LEN("overlay."));
	memcpy(out + head + LEN("overlay."), part, len - head + 1);
	return 0;
}

int marker_override_kind(const char *name)
{
	for (int i = 0; i < MARKER_OVERRIDES; i++) {
		if (strcmp(name, marker_override_names[i]) == 0)
			return i;
	}
	return -1;
}

/* ---- values ---- */

/* The unread rest of a value. */
struct cursor {
	const char *at, *end;
};

static bool cursor_number(struct cursor *c, unsigned base, uint32_t *out)
{
	uint64_t n = 0;
	const char *start = c->at;

	while (c->at < c->end && *c->at >= '0' && (unsigned)(*c->at - '0') < base) {
		n = n * base + (unsigned)(*c->at - '0');
		if (n > UINT32_MAX)
			return false;
		c->at++;
	}
	*out = (uint32_t)n;
	return c->at > start;
}

static bool cursor_skip(struct cursor *c, char ch)
{
	if (c->at == c->end || *c->at != ch)
		return false;
	c->at++;
	return true;
}

static bool cursor_word(struct cursor *c, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(c->end - c->at) < len || memcmp(c->at, word, len) != 0)
		return false;
	c->at += len;
	return true;
}

/* "-MAJ-MIN" or ":MAJ:MIN". */
static bool cursor_device(struct cursor *c, struct marker_override *o)
{
	char sep = c->at < c->end && *c->at == ':' ? ':' : '-';

	return cursor_skip(c, sep) && cursor_number(c, 10, &o->major) && cursor_skip(c, sep) &&
		cursor_number(c, 10, &o->minor);
}

static bool override_type(struct cursor *c, struct marker_override *o)
{
	static const struct {
		const char *word;
		uint32_t type;
	} types[] = {
		{"file", S_IFREG},    {"dir", S_IFDIR},   {"symlink", S_IFLNK}, {"pipe", S_IFIFO},
		{"socket", S_IFSOCK}, {"block", S_IFBLK}, {"char", S_IFCHR},
	};

	for (size_t i = 0; i < VN_ARRAY_LEN(types); i++) {
		if (!cursor_word(c, types[i].word))
			continue;
		o->type = types[i].type;
		return (o->type != S_IFBLK && o->type != S_IFCHR) || cursor_device(c, o);
	}
	return false;
}

static bool override_text(struct cursor *c, struct marker_override *o)
{
	uint32_t mode;

	if (!cursor_number(c, 10, &o->uid) || !cursor_skip(c, ':') || !cursor_number(c, 10, &o->gid) ||
	    !cursor_skip(c, ':') || !cursor_number(c, 8, &mode))
		return false;
	if (mode & ~(uint32_t)(S_IFMT | 07777))
		return false;
	o->perm = mode & 07777;
	return c->at == c->end || (cursor_skip(c, ':') && override_type(c, o));
}

static uint32_t get_le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

#define BINARY_SIZE 20
#define BINARY_VERSION 1

static bool override_binary(const unsigned char *p, struct marker_override *o)
{
	uint32_t mode = get_le32(p + 12), dev = get_le32(p + 16);

	o->uid = get_le32(p + 4);
	o->gid = get_le32(p + 8);
	o->perm = mode & 07777;
	o->type = mode & S_IFMT;
	o->major = (dev >> 8) & 0xfff;
	o->minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
	switch (o->type) {
	case 0:
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFIFO:
	case S_IFSOCK:
	case S_IFBLK:
	case S_IFCHR:
		return true;
	default:
		return false;
	}
}

int marker_override_parse(const void *value, size_t len, struct marker_override *out)
{
	const unsigned char *bytes = value;
	struct marker_override o = {0};
	bool good;

	if (len == BINARY_SIZE && bytes[0] == BINARY_VERSION) {
		good = override_binary(bytes, &o);
	} else {
		struct cursor c = {value, (const char *)value + len};

		if (len && c.end[-1] == '\0')
			c.end--;
		good = override_text(&c, &o) && c.at == c.end;
	}
	/* (uid_t)-1 is no owner but chown's word for "leave it". */
	if (!good || o.uid == UINT32_MAX || o.gid == UINT32_MAX)
		return -EINVAL;
	*out = o;
	return 0;
}

char marker_opaque_value(const void *value, size_t len)
{
	char c = len ? *(const char *)value : '\0';

	return c == 'y' || c == 'x' ? c : '\0';
}

int marker_redirect_check(const char *value, size_t len)
{
	const char *at = value, *end = value + len;
	bool absolute = len && *value == '/';

	if (!len || len >= PATH_MAX || memchr(value, '\0', len))
		return -EINVAL;
	if (!absolute && memchr(value, '/', len))
		return -EINVAL;
	at += absolute;
	for (;;) {
		const char *slash = memchr(at, '/', (size_t)(end - at));
		size_t part = (size_t)((slash ? slash : end) - at);

		if (part == 0 || part > VN_NAME_MAX || (part == 1 && *at == '.') ||
		    (part == 2 && at[0] == '.' && at[1] == '.'))
			return -EINVAL;
		if (!slash)
			return 0;
		at = slash + 1;
	}
}
