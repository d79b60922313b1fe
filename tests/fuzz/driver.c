// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a fuzz target without a fuzzer, as a test: its seeds, files named on the
 * command line, and mutations of the seeds from a fixed generator. FUZZ_ROUNDS
 * (default 20000) mutations are tried; FUZZ_SEED starts the generator elsewhere.
 */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DRIVER_MAX 65536

static uint64_t driver_state;

static uint32_t driver_random(void)
{
	driver_state ^= driver_state << 13;
	driver_state ^= driver_state >> 7;
	driver_state ^= driver_state << 17;
	return (uint32_t)(driver_state >> 16);
}

/* A copy of exactly the right size, so that a sanitizer sees the first byte read too many. */
static void driver_run(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static size_t driver_mutate(uint8_t *buf, size_t size)
{
	static const uint8_t edges[] = { 0, 1, 0x7f, 0x80, 0xff };
	unsigned n = 1 + driver_random() % 4;

	for (unsigned i = 0; i < n && size; i++) {
		size_t at = driver_random() % size;

		switch (driver_random() % 5) {
		case 0:
			buf[at] ^= (uint8_t)(1u << driver_random() % 8);
			break;
		case 1:
			buf[at] = edges[driver_random() % sizeof(edges)];
			break;
		case 2:
			buf[at] = (uint8_t)driver_random();
			break;
		case 3:
			size = at;
			break;
		default:
			if (size + 8 <= DRIVER_MAX) {
				memmove(buf + at + 8, buf + at, size - at);
				size += 8;
			}
		}
	}
	return size;
}

static int driver_file(const char *path)
{
	static uint8_t buf[DRIVER_MAX];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (!f)
		return -1;
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	driver_run(buf, n);
	return 0;
}

int main(int argc, char **argv)
{
	static uint8_t seed[DRIVER_MAX], buf[DRIVER_MAX];
	const char *rounds = getenv("FUZZ_ROUNDS"), *start = getenv("FUZZ_SEED");
	unsigned nseeds = 0;
	size_t n;

	driver_state = (start ? strtoull(start, NULL, 0) : 1) * UINT64_C(0x9E3779B97F4A7C15) + 1;
	printf("1..3\n");
	while ((n = fuzz_seed(nseeds, seed, sizeof(seed)))) {
		driver_run(seed, n);
		nseeds++;
	}
	printf("%sok 1 - %u seeds\n", nseeds ? "" : "not ", nseeds);
	for (int i = 1; i < argc; i++) {
		if (driver_file(argv[i]))
			printf("# cannot read %s\n", argv[i]);
	}
	printf("ok 2 - %d files\n", argc - 1);
	for (unsigned long i = rounds ? strtoul(rounds, NULL, 0) : 20000; i && nseeds; i--) {
		n = fuzz_seed(driver_random() % nseeds, buf, sizeof(buf));
		driver_run(buf, driver_mutate(buf, n));
	}
	printf("ok 3 - mutations\n");
	return nseeds ? 0 : 1;
}
