// SPDX-License-Identifier: Apache-2.0
#include "cli/difference.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cfg.h"
#include "base/clock.h"
#include "cli/out.h"

#ifndef IFTODT
#define IFTODT(mode) (((mode)&S_IFMT) >> 12)
#endif

static const char *const difference_places[] = {
	[OVL_PLACE_LOWER] = "lower",
	[OVL_PLACE_SNAPSHOT] = "snapshot",
	[OVL_PLACE_HEAD] = "data",
};

/* ---- for people ---- */

/* A name in single quotes, or as out_name() writes it where that would mislead. */
static void text_name(FILE *f, const char *name)
{
	bool plain = true;

	for (const unsigned char *p = (const unsigned char *)name; *p; p++)
		plain &= *p >= ' ' && *p != 127 && *p != '"' && *p != '\\';
	if (plain)
		fprintf(f, "'%s'", name);
	else
		out_name(f, name, "");
}

static void text_subject(FILE *f, const struct ovl_difference *d)
{
	static const char *const of[] = {
		[OVL_PLACE_LOWER] = "lower ",
		[OVL_PLACE_SNAPSHOT] = "snapshot ",
		[OVL_PLACE_HEAD] = "the layer ",
	};

	if (*d->path) {
		fputs(d->place == OVL_PLACE_HEAD ? "data file " : "", f);
		text_name(f, d->path);
		fputs(" of ", f);
	}
	fputs(of[d->place], f);
	text_name(f, d->where);
	if (d->file) {
		fputs(", which holds ", f);
		text_name(f, d->file);
		fputc(',', f);
	}
}

static void text_time(int64_t ns, char buf[48])
{
	struct timespec ts = vn_ns_to_ts(ns);
	struct tm tm;
	size_t n;

	localtime_r(&ts.tv_sec, &tm);
	n = strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(buf + n, 48 - n, ".%09ld", ts.tv_nsec);
}

VN_PRINTF(3, 4) static void text_part(FILE *f, bool *first, const char *format, ...)
{
	va_list ap;

	fputs(*first ? " has " : ", ", f);
	*first = false;
	va_start(ap, format);
	vfprintf(f, format, ap);
	va_end(ap);
}

static void text_attributes(FILE *f, const struct ovl_difference *d)
{
	const struct ovl_print *was = &d->was, *now = &d->now;
	char then[48], late[48];
	bool first = true;

	if (d->what & OVL_DIFFERS_CONTENTS)
		text_part(f, &first, S_ISLNK(now->mode) ? "another target" : "other contents");
	if (d->what & OVL_DIFFERS_SIZE)
		text_part(f, &first, "size %" PRIu64 " instead of %" PRIu64, now->size, was->size);
	if (d->what & OVL_DIFFERS_MODE)
		text_part(f, &first, "mode %04o instead of %04o", now->mode & 07777, was->mode & 07777);
	if (d->what & OVL_DIFFERS_OWNER)
		text_part(f, &first, "owner %u:%u instead of %u:%u", now->uid, now->gid, was->uid, was->gid);
	if (d->what & OVL_DIFFERS_DEVICE)
		text_part(f, &first, "device %" PRIu64 ":%" PRIu64 " instead of %" PRIu64 ":%" PRIu64, now->rdev >> 32,
			  now->rdev & UINT32_MAX, was->rdev >> 32, was->rdev & UINT32_MAX);
	if (d->what & OVL_DIFFERS_XATTRS)
		text_part(f, &first, "other extended attributes");
	if (d->what & OVL_DIFFERS_MTIME) {
		text_time(now->mtime, late);
		text_time(was->mtime, then);
		text_part(f, &first, "modification time %s instead of %s", late, then);
	}
}

static void text_predicate(FILE *f, const struct ovl_difference *d)
{
	if (d->what & OVL_DIFFERS_MISSING)
		fputs(" is missing", f);
	else if (d->what & OVL_DIFFERS_ADDED)
		fputs(" was added", f);
	else if (d->what & OVL_DIFFERS_TYPE)
		fprintf(f, " is a %s instead of a %s", out_type(IFTODT(d->now.mode)), out_type(IFTODT(d->was.mode)));
	else if (d->what & OVL_DIFFERS_SINCE)
		fputs(" was changed after the layer was made over it", f);
	else if (d->what & OVL_DIFFERS_UNREAD)
		fprintf(f, " cannot be read: %s", strerror(-d->error));
	else if (d->place == OVL_PLACE_HEAD)
		fputs(" has other bytes than when it was recorded, though nobody has written to it", f);
	else
		text_attributes(f, d);
}

char *difference_text(const struct ovl_difference *d)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	text_subject(f, d);
	text_predicate(f, d);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- for programs ---- */

static json_t *json_words(unsigned what)
{
	static const char *const words[] = {"missing", "added", "type",	  "contents", "size",	 "mode",
					    "owner",   "device", "mtime", "xattrs",   "changed", "unreadable"};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (what & 1u << i)
			json_array_append_new(list, json_string(words[i]));
	return list;
}

static json_t *json_print(const struct ovl_print *p)
{
	char mode[16], contents[24];

	snprintf(mode, sizeof(mode), "%04o", p->mode & 07777);
	snprintf(contents, sizeof(contents), "%016" PRIx64, p->contents);
	return json_pack("{s:s, s:s, s:i, s:i, s:I, s:I, s:s*}", "type", out_type(IFTODT(p->mode)), "mode", mode, "uid",
			 (int)p->uid, "gid", (int)p->gid, "size", (json_int_t)p->size, "mtime_ns", (json_int_t)p->mtime,
			 "xxh3", S_ISREG(p->mode) && !(p->flags & OVL_PRINT_UNREAD) ? contents : NULL);
}

json_t *difference_json(const struct ovl_difference *d)
{
	unsigned both = OVL_DIFFERS_ADDED | OVL_DIFFERS_MISSING | OVL_DIFFERS_SINCE | OVL_DIFFERS_UNREAD;
	json_t *o = json_pack("{s:s, s:o}", "place", difference_places[d->place], "differs", json_words(d->what));

	if (!o || out_json_name(o, "where", d->where) < 0 || out_json_name(o, "path", d->path) < 0 ||
	    ((d->what & OVL_DIFFERS_MISSING || !(d->what & both)) && json_object_set_new(o, "was", json_print(&d->was)) < 0) ||
	    ((d->what & OVL_DIFFERS_ADDED || !(d->what & both)) && json_object_set_new(o, "now", json_print(&d->now)) < 0) ||
	    (d->file && out_json_name(o, "file", d->file) < 0) ||
	    (d->error && json_object_set_new(o, "error", json_string(strerror(-d->error))) < 0)) {
		json_decref(o);
		return NULL;
	}
	return o;
}
