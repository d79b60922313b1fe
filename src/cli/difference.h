// SPDX-License-Identifier: Apache-2.0
/* A difference that deep verification found, for people and as JSON. */
#ifndef CLI_DIFFERENCE_H
#define CLI_DIFFERENCE_H

#include <jansson.h>

#include "overlay/overlay.h"

/* One sentence without a full stop, malloc()ed; NULL: no memory. */
char *difference_text(const struct ovl_difference *d);
/* {place, where, path, differs: [words], was: {...}, now: {...}}. NULL: no memory. */
json_t *difference_json(const struct ovl_difference *d);

#endif
