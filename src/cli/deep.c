// SPDX-License-Identifier: Apache-2.0
#include "cli/deep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/scope.h"
#include "cli/cmd.h"
#include "cli/difference.h"
#include "cli/progress.h"

struct walk {
	const struct deep_config *config;
	struct deep_result *result;
	json_t *differences;
	struct progress progress;
};

static void walk_problem(void *arg, const char *sentence)
{
	struct walk *w = arg;

	progress_clear(&w->progress);
	w->config->problem(w->config->arg, sentence);
}

static int walk_difference(void *arg, const struct ovl_difference *d)
{
	struct walk *w = arg;
	vn_autofree char *text = difference_text(d);

	if (!text)
		return -ENOMEM;
	walk_problem(w, text);
	if (d->place == OVL_PLACE_LOWER)
		w->result->lowers = true;
	else
		w->result->own = true;
	return w->differences && json_array_append_new(w->differences, difference_json(d)) < 0 ? -ENOMEM : 0;
}

static void walk_progress(void *arg, const struct ovl_deep_totals *now)
{
	struct walk *w = arg;
	char bytes[32], text[160];

	if (!progress_due(&w->progress))
		return;
	snprintf(text, sizeof(text), "%" PRIu64 " objects, %s read, directory %zu of %zu", now->objects,
		 progress_bytes(now->bytes, bytes), now->place, now->places);
	progress_show(&w->progress, text);
}

static const char *walk_when(int64_t ns, char buf[32])
{
	time_t t = vn_ns_to_ts(ns).tv_sec;
	struct tm tm;

	localtime_r(&t, &tm);
	strftime(buf, 32, "%Y-%m-%d %H:%M:%S", &tm);
	return buf;
}

static json_t *walk_json(const struct walk *w)
{
	static const char *const states[] = {
		[OVL_RECORD_NONE] = "none",
		[OVL_RECORD_USED] = "used",
		[OVL_RECORD_DAMAGED] = "damaged",
	};
	const struct ovl_deep *d = &w->result->deep;
	const char *state = w->config->record ? "made" : states[d->record];

	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:b, s:i, s:O}", "record", state, "since_ns", (json_int_t)d->since, "objects",
			 (json_int_t)d->totals.objects, "bytes", (json_int_t)d->totals.bytes, "unread",
			 (json_int_t)d->totals.unread, "served", d->served, "newer_snapshots", (int)d->newer, "differences",
			 w->differences);
}

int deep_run(struct rest *r, const struct deep_config *config, struct deep_result *out, struct vn_err *err)
{
	struct walk w = {.config = config, .result = out, .differences = config->json ? json_array() : NULL};
	int ret;

	*out = (struct deep_result){.deep = {.difference = walk_difference, .problem = walk_problem, .progress = walk_progress,
					     .arg = &w, .served = r->served}};
	progress_init(&w.progress, !config->quiet);
	ret = config->record ? ovl_record(r->tree, &out->deep, err) : ovl_deep(r->tree, &out->deep, err);
	progress_clear(&w.progress);
	if (ret == 0 && config->json && !(out->json = walk_json(&w)))
		ret = vn_err_sys(err, -ENOMEM, "cannot tell the result");
	json_decref(w.differences);
	return ret;
}

void deep_result_fini(struct deep_result *r)
{
	json_decref(r->json);
}

void deep_notes(const struct deep_config *config, const struct deep_result *r)
{
	const struct ovl_deep *d = &r->deep;
	char when[32];

	fflush(stdout); /* the notes belong behind the differences */
	if (config->quiet)
		return;
	if (d->served)
		cmd_note("'%s' is being served: the data files that are being written to were left out", config->upper);
	if (d->totals.unread)
		cmd_note("%" PRIu64 " objects may not be read by this user: %s", d->totals.unread,
			 config->record ? "their contents are not in the record" : "their contents were not looked at");
	if (config->record)
		return;
	if (d->record == OVL_RECORD_NONE && d->since)
		cmd_note("there is no record of what is below '%s': only what is newer than %s, when the layer was made, is told; "
			 "'veneer check --record %s' makes one",
			 config->upper, walk_when(d->since, when), config->upper);
	else if (d->record == OVL_RECORD_NONE)
		cmd_note("there is no record of what is below '%s': 'veneer check --record %s' makes one", config->upper,
			 config->upper);
	if (d->other_viewer)
		cmd_note("the record was made by another user: owners or trusted attributes were not compared");
	if (d->newer)
		cmd_note("%u snapshot%s newer than the record: read, and not compared", d->newer, d->newer == 1 ? " is" : "s are");
}

void deep_praise(const struct deep_config *config, const struct deep_result *r)
{
	const struct ovl_deep *d = &r->deep;
	char bytes[32], when[32];

	progress_bytes(d->totals.bytes, bytes);
	if (config->record)
		printf("recorded %" PRIu64 " objects, %s, in %zu directories\n", d->totals.objects, bytes, d->totals.places);
	else if (d->record == OVL_RECORD_USED)
		printf("%s is clean: %" PRIu64 " objects, %s, are as they were recorded at %s\n", config->upper, d->totals.objects,
		       bytes, walk_when(d->since, when));
	else
		printf("%s is clean: %" PRIu64 " objects were looked at, %s read\n", config->upper, d->totals.objects, bytes);
}

char *deep_advice(const struct deep_config *config, const struct deep_result *r)
{
	char *text = NULL;
	int n = 0;

	if (r->own && r->lowers)
		n = asprintf(&text, "put back the files of lower directories and layer from copies, or accept what is there with 'veneer "
				    "check --record %s'", config->upper);
	else if (r->own)
		n = asprintf(&text, "put back the layer's files from a copy, or accept what is there with 'veneer check --record %s'",
			     config->upper);
	else if (r->lowers)
		n = asprintf(&text, "put the lower directories back as they were, or accept them with 'veneer check --record %s'",
			     config->upper);
	return n < 0 ? NULL : text;
}
