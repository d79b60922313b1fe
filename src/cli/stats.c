// SPDX-License-Identifier: Apache-2.0
#include "cli/stats.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/scope.h"
#include "cli/out.h"

void stats_counted(const struct vf_session *session, struct vf_stats *out)
{
	*out = (struct vf_stats){0};
	if (session)
		vf_session_stats(session, out);
}

/* The count of an opcode at the moment when counting began. */
static const struct vf_op_stats *stats_before(const struct vf_stats *before, const struct vf_op_stats *op)
{
	static const struct vf_op_stats none;

	for (size_t i = 0; i < before->nops; i++) {
		if (before->ops[i].opcode == op->opcode)
			return &before->ops[i];
	}
	return &none;
}

/* Adds {NAME: number} unless the number is zero. */
static void stats_add(json_t *table, const char *name, uint64_t n)
{
	if (n)
		json_object_set_new(table, name, json_integer((json_int_t)n));
}

static json_t *stats_messages(const struct stats_source *s, uint64_t *bytes_in, uint64_t *bytes_out, uint64_t *errors)
{
	json_t *table = json_object();
	struct vf_stats now;

	stats_counted(s->session, &now);
	for (size_t i = 0; i < now.nops; i++) {
		const struct vf_op_stats *op = &now.ops[i], *was = stats_before(s->before, op);

		stats_add(table, op->name, op->count - was->count);
		*bytes_in += op->bytes_in - was->bytes_in;
		*bytes_out += op->bytes_out - was->bytes_out;
		*errors += op->errors - was->errors;
	}
	return table;
}

static json_t *stats_traffic(const struct stats_source *s, uint64_t in, uint64_t out, uint64_t errors)
{
	struct vf_stats now;

	stats_counted(s->session, &now);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "messages", (json_int_t)(now.messages - s->before->messages),
			 "errors", (json_int_t)errors, "malformed", (json_int_t)(now.malformed - s->before->malformed),
			 "notices", (json_int_t)(now.notices - s->before->notices), "bytes_in", (json_int_t)in,
			 "bytes_out", (json_int_t)out);
}

static json_t *stats_cache(struct ovl_tree *tree)
{
	struct ovl_stats o;

	ovl_stats(tree, &o);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "nodes", (json_int_t)o.nodes, "directories",
			 (json_int_t)o.directories, "names", (json_int_t)o.names, "node_bytes", (json_int_t)o.node_bytes,
			 "name_bytes", (json_int_t)o.name_bytes, "open_files", (json_int_t)o.open_files, "copied_up",
			 (json_int_t)o.copied_up, "copied_bytes", (json_int_t)o.copied_bytes, "kept_view",
			 (json_int_t)o.kept_view, "changed_lowers", (json_int_t)o.changed_lowers);
}

static json_t *stats_lowers(const struct stats_source *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->nlowers; i++)
		json_array_append_new(list, out_json_text(s->lowers[i]));
	return list;
}

char *stats_json(const struct stats_source *s)
{
	uint64_t in = 0, out = 0, errors = 0;
	json_t *o = json_object();
	char *text = NULL;

	if (!o || json_object_set_new(o, "pid", json_integer(getpid())) < 0 ||
	    json_object_set_new(o, "since", json_integer((json_int_t)s->since)) < 0 ||
	    (s->mount && out_json_name(o, "mount", s->mount) < 0) ||
	    (s->upper && out_json_name(o, "upper", s->upper) < 0) ||
	    (s->guest_status && json_object_set_new(o, "guest_status", json_integer(*s->guest_status)) < 0) || json_object_set_new(o, "lowers", stats_lowers(s)) < 0 ||
	    json_object_set_new(o, "messages", stats_messages(s, &in, &out, &errors)) < 0 ||
	    json_object_set_new(o, "traffic", stats_traffic(s, in, out, errors)) < 0 ||
	    json_object_set_new(o, "cache", stats_cache(s->tree)) < 0)
		goto out;
	text = json_dumps(o, JSON_INDENT(2));
	if (text) {
		char *line = realloc(text, strlen(text) + 2);

		text = line ? strcat(line, "\n") : text;
	}
out:
	json_decref(o);
	return text;
}
