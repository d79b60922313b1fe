# SPDX-License-Identifier: Apache-2.0
# Guides (dist_doc_DATA), man pages (dist_man_MANS), examples.
dist_doc_DATA += doc/guest-init.md doc/format.md doc/protocol.md doc/rules.md doc/semantics.md doc/snapshots.md
if GUEST_INIT
dist_man_MANS += doc/veneer-init.8
else
EXTRA_DIST += doc/veneer-init.8
endif
dist_man_MANS += \
	doc/veneer.1 \
	doc/veneer-cat.1 \
	doc/veneer-check.1 \
	doc/veneer-diff.1 \
	doc/veneer-fork.1 \
	doc/veneer-index.1 \
	doc/veneer-log.1 \
	doc/veneer-ls.1 \
	doc/veneer-mount.8 \
	doc/veneer-rollback.1 \
	doc/veneer-run.1 \
	doc/veneer-snapshot.1 \
	doc/veneer-stat.1
if LINUX
dist_man_MANS += doc/veneer-serve.8
else
EXTRA_DIST += doc/veneer-serve.8
endif
