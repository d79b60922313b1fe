// SPDX-License-Identifier: Apache-2.0
/*
 * Replays a fuzz target's corpus: tests/fuzz/corpus/NAME for the program
 * fuzz_NAME, or the files and directories given as arguments. Then gives it
 * 20,000 inputs made by damaging those, always the same ones.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

#define MADE 20000
#define INPUT_MAX 4096
#define CORPUS_MAX 4096

struct input {
	uint8_t *data;
	size_t size;
};

static struct input corpus[CORPUS_MAX];
static size_t ncorpus;
static uint64_t state = 1;

static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void take_file(const char *path)
{
	FILE *f = fopen(path, "r");
	struct input in = {malloc(INPUT_MAX * 16), 0};

	if (!f || !in.data || ncorpus == CORPUS_MAX) {
		fprintf(stderr, "cannot read %s: %s\n", path, strerror(errno));
		exit(99);
	}
	in.size = fread(in.data, 1, INPUT_MAX * 16, f);
	fclose(f);
	corpus[ncorpus++] = in;
	LLVMFuzzerTestOneInput(in.data, in.size);
	printf("ok %zu - %s\n", ncorpus, path);
}

static void take(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir) {
		take_file(path);
		return;
	}
	while ((e = readdir(dir))) {
		char child[PATH_MAX];

		snprintf(child, sizeof(child), "%s/%s", path, e->d_name);
		if (e->d_name[0] != '.')
			take_file(child);
	}
	closedir(dir);
}

/* One or a few bytes changed, cut off, doubled, or two inputs joined. */
static size_t damage(uint8_t *out, const struct input *a, const struct input *b)
{
	size_t size = a->size > INPUT_MAX / 2 ? INPUT_MAX / 2 : a->size;
	size_t more;

	memcpy(out, a->data, size);
	for (uint64_t n = next_random() % 4; n && size; n--)
		out[next_random() % size] = (uint8_t)next_random();
	switch (next_random() % 4) {
	case 0:
		size = size ? next_random() % size : 0;
		break;
	case 1:
		more = b->size > INPUT_MAX / 2 ? INPUT_MAX / 2 : b->size;
		memcpy(out + size, b->data, more);
		size += more;
		break;
	case 2:
		more = size ? next_random() % size : 0;
		memmove(out + more, out, size);
		size += more;
		break;
	}
	return size;
}

static void make_more(void)
{
	static uint8_t out[INPUT_MAX * 2];

	for (int i = 0; i < MADE; i++) {
		size_t size = damage(out, &corpus[next_random() % ncorpus], &corpus[next_random() % ncorpus]);

		LLVMFuzzerTestOneInput(out, size);
	}
	printf("ok %zu - %d inputs made from them\n", ncorpus + 1, MADE);
}

int main(int argc, char **argv)
{
	const char *name = strstr(argv[0], "fuzz_"), *top = getenv("top_srcdir");
	char path[PATH_MAX];

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
		take(argv[i]);
	if (argc == 1) {
		for (const char *more = name; more; more = strstr(more + 1, "fuzz_"))
			name = more;
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/%s", top ? top : ".", name ? name + 5 : "");
		take(path);
	}
	if (ncorpus)
		make_more();
	printf("1..%zu\n", ncorpus + 1);
	for (size_t i = 0; i < ncorpus; i++)
		free(corpus[i].data);
	return ncorpus ? 0 : 1;
}
