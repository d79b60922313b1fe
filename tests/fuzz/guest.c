// SPDX-License-Identifier: Apache-2.0
/*
 * The guest init's parsers. The first byte chooses one; what follows is its text. Checked: nothing is
 * read or written beyond its end, a refusal has a sentence, and what is accepted keeps its promises.
 */
#include "driver.h"

#include "guest/config.h"
#include "guest/console.h"
#include "guest/fstypes.h"
#include "guest/tmpfs.h"
#include "guest/words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void expect(int right)
{
	if (!right)
		abort();
}

static void expect_path(const char *path)
{
	size_t len = strlen(path);

	expect(len < VG_PATH_MAX && path[0] == '/' && !strstr(path, "//"));
	expect(len == 1 || path[len - 1] != '/');
	expect(!strstr(path, "/../") && !strstr(path, "/./"));
}

static void fuzz_tmpfs(const char *text)
{
	struct vg_tmpfs_list list = {.count = 0};
	struct vg_why why = {.text = ""};
	int rc = vg_tmpfs_parse(text, &list, &why);

	expect(rc == 0 || (rc == -EINVAL && why.text[0]));
	for (size_t i = 0; i < list.count; i++) {
		expect_path(list.entry[i].path);
		expect(list.entry[i].mode <= 07777 && list.entry[i].size_mib <= INT64_MAX >> 20);
		for (size_t j = 0; j < i; j++)
			expect(!vg_path_covers(list.entry[i].path, list.entry[j].path));
	}
}

static void fuzz_device(const char *text)
{
	struct vg_block_root root;
	struct vg_runtime runtime;
	struct vg_why why = {.text = ""};

	if (vg_block_root_parse(text, &root, &why) == 0)
		expect_path(root.device);
	else
		expect(why.text[0] != '\0');
	why.text[0] = '\0';
	if (vg_runtime_parse(text, &runtime, &why) == 0)
		expect_path(runtime.dir);
	else
		expect(why.text[0] != '\0');
}

static void fuzz_words(const char *text)
{
	struct vg_words words;
	struct vg_why why = {.text = ""};
	size_t total = 0;

	if (vg_words_parse(text, &words, &why) == 0) {
		expect(words.count > 0 && !words.word[words.count]);
		vg_words_free(&words);
	} else {
		expect(why.text[0] != '\0');
	}
	expect(vg_words_parse_kernel(text, &words) == 0 && !words.word[words.count]);
	for (size_t i = 0; i < words.count; i++)
		total += strlen(words.word[i]) + 1;
	expect(total <= strlen(text) + 1);
	vg_words_free(&words);
}

static void fuzz_lists(const char *text)
{
	struct vg_fstypes types;
	struct vg_text name = vg_console_name(text);

	expect(name.p >= text && name.p + name.len <= text + strlen(text));
	vg_fstypes_parse(text, &types);
	for (size_t i = 0; i < types.count; i++)
		expect(types.name[i][0] && !strchr(types.name[i], '\n'));
}

static void fuzz_config(const char *text)
{
	char *none[] = {NULL};
	struct vg_config config;
	struct vg_why why = {.text = ""};
	int rc = vg_config_parse(none, none, text, &config, &why);

	if (rc < 0) {
		expect(rc == -EINVAL && why.text[0]);
		return;
	}
	expect(config.command[0] && config.workdir[0] == '/');
	vg_config_free(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(const char *) = {fuzz_tmpfs, fuzz_device, fuzz_words, fuzz_lists, fuzz_config};
	char *text;

	if (size == 0)
		return 0;
	text = strndup((const char *)data + 1, size - 1);
	expect(text != NULL);
	parsers[data[0] % (sizeof(parsers) / sizeof(parsers[0]))](text);
	free(text);
	return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *buf, size_t cap)
{
	static const char *const seeds[] = {
		"\5/tmp,size=256,mode=1777,noexec;/var/tmp;/run/lock,size=8796093022207;",
		"\1/dev/vda,fstype=ext4,ro",
		"\1tools,dir=/opt/tools,ro",
		"\2sh -c 'a \"b\" \\c' \"d \\\" e\" f\\ g",
		"\2console=ttyS0 \"A=b c\" D=\"e f\" -- \"g h\" i",
		"\3nodev\tsysfs\n\text3\n\text4\nnodev\tvirtiofs\n\tfuseblk\n\txfs\n",
		"\3tty0 ttyS0\n",
		"\4quiet VENEER_TMPFS=\"/tmp,size=8;/run\" VENEER_CMD=\"sh -c 'exit 1'\" VENEER_END=reboot "
		"VENEER_RUNTIME=t,ro VENEER_BLOCK_ROOT=/dev/vda VENEER_HOSTNAME=box VENEER_WORKDIR=/srv -- x",
	};
	size_t size;

	if (i >= sizeof(seeds) / sizeof(seeds[0]))
		return 0;
	size = strlen(seeds[i]);
	if (size > cap)
		size = cap;
	memcpy(buf, seeds[i], size);
	return size;
}
