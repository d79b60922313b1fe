// SPDX-License-Identifier: Apache-2.0
/*
 * A fuzz target is a file fuzz_NAME.c with LLVMFuzzerTestOneInput. Linked with
 * replay.c it is a unit test that takes the files of corpus/NAME, and a number
 * of inputs made from them, one after another; linked with -fsanitize=fuzzer it
 * looks for new ones (make fuzz-NAME).
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(what)                                                           \
	do {                                                                       \
		if (!(what)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
			abort();                                                   \
		}                                                                  \
	} while (0)

#endif
