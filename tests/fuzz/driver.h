// SPDX-License-Identifier: Apache-2.0
/*
 * A fuzz target is one file that defines these two. It is built twice: with
 * driver.c as a test, and with clang's libFuzzer by `make fuzz`.
 */
#ifndef TESTS_FUZZ_DRIVER_H
#define TESTS_FUZZ_DRIVER_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's entry: never fails, ends the process on a wrong result. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes the i-th well-formed input to buf and returns its size; 0: there are no more. */
size_t fuzz_seed(unsigned i, uint8_t *buf, size_t cap);

#endif
