// SPDX-License-Identifier: Apache-2.0
#include "veneer.h"

const char *veneer_version(void)
{
	return PACKAGE_VERSION;
}
