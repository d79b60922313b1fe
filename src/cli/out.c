// SPDX-License-Identifier: Apache-2.0
#include "cli/out.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

static bool out_is_plain(const char *name)
{
	for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
		if (*p < ' ' || *p == 127 || *p == '"' || *p == '\\')
			return false;
	}
	return true;
}

void out_name(FILE *f, const char *name, const char *after)
{
	static const char from[] = "\n\t\r\"\\", to[] = "ntr\"\\";

	if (out_is_plain(name)) {
		fprintf(f, "%s%s", name, after);
		return;
	}
	fputc('"', f);
	for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
		const char *known = strchr(from, *p);

		if (known)
			fprintf(f, "\\%c", to[known - from]);
		else if (*p < ' ' || *p == 127)
			fprintf(f, "\\%03o", *p);
		else
			fputc(*p, f);
	}
	fprintf(f, "\"%s", after);
}

/* Copies a name, each byte that jansson would not take replaced by U+FFFD. */
static json_t *out_json_replaced(const char *name)
{
	size_t n = strlen(name);
	vn_autofree char *text = malloc(3 * n + 1);
	char *to = text;

	while (text && *name) {
		size_t len = 1;
		json_t *probe = NULL;

		/* The shortest prefix that is valid is one character. */
		for (; len <= 4 && len <= n && !probe; len++)
			probe = json_stringn(name, len);
		if (probe) {
			json_decref(probe);
			len--;
			memcpy(to, name, len);
			to += len;
		} else {
			len = 1;
			memcpy(to, "\xef\xbf\xbd", 3);
			to += 3;
		}
		name += len;
		n -= len;
	}
	return text ? json_stringn(text, (size_t)(to - text)) : NULL;
}

static json_t *out_json_hex(const char *name)
{
	vn_autofree char *hex = malloc(2 * strlen(name) + 1);

	if (!hex)
		return NULL;
	for (size_t i = 0; name[i]; i++)
		sprintf(hex + 2 * i, "%02x", (unsigned char)name[i]);
	return json_string(hex);
}

int out_json_name(json_t *object, const char *key, const char *name)
{
	json_t *value = json_string(name);
	char hex_key[64];

	if (value)
		return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
	snprintf(hex_key, sizeof(hex_key), "%s_hex", key);
	if (json_object_set_new(object, key, out_json_replaced(name)) < 0 ||
	    json_object_set_new(object, hex_key, out_json_hex(name)) < 0)
		return -ENOMEM;
	return 0;
}

json_t *out_json_text(const char *text)
{
	json_t *value = json_string(text);

	return value ? value : out_json_replaced(text);
}

bool out_json(json_t *value)
{
	bool ok = value && json_dumpf(value, stdout, JSON_INDENT(2)) == 0;

	if (ok)
		putchar('\n');
	json_decref(value);
	return ok;
}

void out_array_begin(void)
{
	fputs("[", stdout);
}

bool out_array_add(json_t *value, bool *first)
{
	bool ok;

	fputs(*first ? "\n  " : ",\n  ", stdout);
	*first = false;
	ok = value && json_dumpf(value, stdout, JSON_COMPACT) == 0;
	json_decref(value);
	return ok;
}

void out_array_end(bool first)
{
	puts(first ? "]" : "\n]");
}

const char *out_type(uint32_t type)
{
	switch (type) {
	case DT_REG:
		return "file";
	case DT_DIR:
		return "dir";
	case DT_LNK:
		return "symlink";
	case DT_FIFO:
		return "pipe";
	case DT_SOCK:
		return "socket";
	case DT_BLK:
		return "block";
	case DT_CHR:
		return "char";
	default:
		return "unknown";
	}
}
