#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Fifteen accidents under load; restart.c says what is looked at.
exec "${top_builddir:-build}/tests/vhost/restart" upgrade
