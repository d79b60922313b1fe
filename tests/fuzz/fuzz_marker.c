// SPDX-License-Identifier: Apache-2.0
/* Names, attribute names and attribute values of lower directories. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "lower/marker.h"

static void fuzz_name(const char *data, size_t size)
{
	const char *hidden = NULL;
	size_t len = 0;

	if (marker_name(data, size, &hidden, &len) == MARKER_NAME_WHITEOUT)
		FUZZ_CHECK(hidden > data && len > 0 && hidden + len == data + size);
}

static void fuzz_xattr(const char *name)
{
	char stored[VN_XATTR_NAME_MAX + 1], shown[VN_XATTR_NAME_MAX + 1];
	enum marker_xattr what = marker_xattr(name);

	if (strlen(name) > VN_XATTR_NAME_MAX)
		return;
	if (marker_xattr_stored(name, stored) == 0) {
		/* What a client asks for is never a marker of ours. */
		FUZZ_CHECK(marker_xattr(stored) == MARKER_XATTR_PLAIN || marker_xattr(stored) == MARKER_XATTR_ESCAPED);
		if (marker_xattr(stored) == MARKER_XATTR_ESCAPED) {
			marker_xattr_show(stored, shown);
			FUZZ_CHECK(strcmp(shown, name) == 0);
		}
	}
	if (what == MARKER_XATTR_ESCAPED) {
		marker_xattr_show(name, shown);
		FUZZ_CHECK(marker_xattr_stored(shown, stored) == 0 && strcmp(stored, name) == 0);
	}
}

static void fuzz_values(const char *data, size_t size)
{
	struct marker_override o = {.uid = 12345};

	if (marker_override_parse(data, size, &o) == 0) {
		FUZZ_CHECK(o.perm <= 07777 && (o.type & ~(uint32_t)S_IFMT) == 0);
		FUZZ_CHECK(o.uid != UINT32_MAX && o.gid != UINT32_MAX);
	} else {
		FUZZ_CHECK(o.uid == 12345);
	}
	marker_opaque_value(data, size);
	if (marker_redirect_check(data, size) == 0)
		FUZZ_CHECK(!memmem(data, size, "/../", 4) && !memmem(data, size, "//", 2) && data[size - 1] != '/');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = malloc(size), *text = malloc(size + 1);

	if (size)
		memcpy(exact, data, size);
	memcpy(text, exact, size);
	text[size] = '\0';
	fuzz_name(exact, size);
	fuzz_values(exact, size);
	fuzz_xattr(text);
	free(exact);
	free(text);
	return 0;
}
