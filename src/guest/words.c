// SPDX-License-Identifier: Apache-2.0
/*
 * Both splitters work on a copy of the text in place: a word never grows by losing its quotes, so
 * the write position stays behind the read position.
 */
#include "guest/words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Room for the most words that len bytes can hold: one byte each and a blank between. */
static int words_init(struct vg_words *words, const char *text)
{
	size_t len = strlen(text);

	*words = (struct vg_words){.buffer = strdup(text), .word = calloc(len / 2 + 2, sizeof(char *))};
	if (words->buffer && words->word)
		return 0;
	vg_words_free(words);
	return -ENOMEM;
}

void vg_words_free(struct vg_words *words)
{
	free(words->buffer);
	free(words->word);
	*words = (struct vg_words){.count = 0};
}

/* Copies the inside of a "..." or '...' that starts at from. Returns where it goes on, NULL when it is open. */
static const char *quoted_copy(const char *from, char **to)
{
	char quote = *from++;

	for (; *from && *from != quote; from++) {
		if (quote == '"' && *from == '\\' && (from[1] == '"' || from[1] == '\\'))
			from++;
		*(*to)++ = *from;
	}
	return *from ? from + 1 : NULL;
}

/* Copies one word; *from moves to the blank or NUL behind it. */
static int word_copy(const char **from, char **to, struct vg_why *why)
{
	const char *p = *from;

	while (*p && !is_blank(*p)) {
		if (*p == '\'' || *p == '"') {
			const char *after = quoted_copy(p, to);

			if (!after)
				return vg_why_set(why, "VENEER_CMD: the quote %c is never closed in: %.200s", *p, p);
			p = after;
			continue;
		}
		if (*p == '\\' && !*++p)
			return vg_why_set(why, "VENEER_CMD: a backslash stands at the end, with nothing to quote");
		*(*to)++ = *p++;
	}
	*from = p;
	return 0;
}

int vg_words_parse(const char *text, struct vg_words *out, struct vg_why *why)
{
	struct vg_words words;
	const char *from;
	char *to;
	int rc = words_init(&words, text);

	if (rc < 0)
		return rc;
	/* Read from the original: the NUL after a word may land on a byte that is still to be read. */
	from = text;
	to = words.buffer;
	while (rc == 0) {
		while (is_blank(*from))
			from++;
		if (!*from)
			break;
		words.word[words.count++] = to;
		rc = word_copy(&from, &to, why);
		*to++ = '\0';
	}
	if (rc == 0 && words.count == 0)
		rc = vg_why_set(why, "VENEER_CMD: no command in it; name a program");
	if (rc < 0)
		vg_words_free(&words);
	else
		*out = words;
	return rc;
}

/* The end of the kernel's word that starts at p; *equals is its first '=' (not at its start) or NULL. */
static char *kernel_word_end(char *p, bool in_quote, char **equals)
{
	char *start = p;

	*equals = NULL;
	for (; *p && (in_quote || !is_blank(*p)); p++) {
		if (*p == '=' && !*equals && p > start)
			*equals = p;
		if (*p == '"')
			in_quote = !in_quote;
	}
	return p;
}

/* Drops a quote at at[0] together with one at end[-1]. Returns the new end. */
static char *kernel_unquote(char *at, char *end)
{
	memmove(at, at + 1, (size_t)(end - at - 1));
	end--;
	return end > at && end[-1] == '"' ? end - 1 : end;
}

int vg_words_parse_kernel(const char *line, struct vg_words *out)
{
	char *p;
	int rc = words_init(out, line);

	if (rc < 0)
		return rc;
	p = out->buffer;
	while (is_blank(*p))
		p++;
	while (*p) {
		bool quoted = *p == '"';
		char *start = p + quoted, *equals;
		char *end = kernel_word_end(start, quoted, &equals);
		char *next = end + (*end != '\0');

		if (equals && equals[1] == '"' && equals + 1 < end)
			end = kernel_unquote(equals + 1, end);
		if (quoted && end > start && end[-1] == '"')
			end--;
		*end = '\0';
		out->word[out->count++] = start;
		p = next;
		while (is_blank(*p))
			p++;
	}
	return 0;
}
