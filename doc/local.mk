# SPDX-License-Identifier: Apache-2.0
# Guides (dist_doc_DATA), man pages (dist_man_MANS), examples.
