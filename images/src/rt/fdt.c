#include "rt.h"

/* Devicetree Specification 0.4, chapter 5. */
enum { FDT_MAGIC = 0xd00dfeed, FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_NOP = 4, FDT_END = 9 };
enum { DEPTH_MAX = 16, SIZE_MAX_FDT = 0x200000 };
#define FDT_BASE ((const u8 *)0x40000000)

static u32 be32(const u8 *p) { return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3]; }

bool fdt_present(void)
{
	u32 size = be32(FDT_BASE + 4);
	return be32(FDT_BASE) == FDT_MAGIC && size >= 40 && size <= SIZE_MAX_FDT;
}

/* Calls visit for each property until it returns false. path is the node's, without unit addresses cut off. */
static void walk(bool (*visit)(void *, const char *path, const char *name, const u8 *value, u32 size), void *arg)
{
	if (!fdt_present())
		return;
	u32 total = be32(FDT_BASE + 4);
	u32 at = be32(FDT_BASE + 8), strings = be32(FDT_BASE + 12);
	char path[256];
	u32 len[DEPTH_MAX];
	unsigned depth = 0;
	path[0] = 0;
	while (at + 4 <= total && !(at & 3)) {
		u32 token = be32(FDT_BASE + at);
		at += 4;
		switch (token) {
		case FDT_BEGIN_NODE: {
			u32 n = 0, used = (u32)strlen(path);
			while (at + n < total && FDT_BASE[at + n])
				n++;
			if (depth >= DEPTH_MAX || used + n + 2 > sizeof path)
				return;
			len[depth] = used;
			if (depth++ > 0) {
				path[used++] = '/';
				memcpy(path + used, FDT_BASE + at, n);
				path[used + n] = 0;
			}
			at = (at + n + 4) & ~3u;
			break;
		}
		case FDT_END_NODE:
			if (depth == 0)
				return;
			path[len[--depth]] = 0;
			break;
		case FDT_PROP: {
			if (at + 8 > total)
				return;
			u32 size = be32(FDT_BASE + at), name = be32(FDT_BASE + at + 4);
			at += 8;
			if (size > total - at || name >= total - strings)
				return;
			if (!visit(arg, path, (const char *)FDT_BASE + strings + name, FDT_BASE + at, size))
				return;
			at = (at + size + 3) & ~3u;
			break;
		}
		case FDT_NOP:
			break;
		default:
			return;
		}
	}
}

struct want {
	const char *path, *name, *value;
};

static bool visit_string(void *arg, const char *path, const char *name, const u8 *value, u32 size)
{
	struct want *w = arg;
	if (!equal(path, w->path) || !equal(name, w->name) || size == 0 || value[size - 1])
		return true;
	w->value = (const char *)value;
	return false;
}

const char *fdt_string(const char *path, const char *property)
{
	struct want w = { path, property, NULL };
	walk(visit_string, &w);
	return w.value;
}

struct affinities {
	u64 *list;
	unsigned count, max;
};

static bool visit_cpu(void *arg, const char *path, const char *name, const u8 *value, u32 size)
{
	struct affinities *a = arg;
	if (strlen(path) > 10 && memcmp(path, "/cpus/cpu@", 10) == 0 && equal(name, "reg") && (size == 4 || size == 8) && a->count < a->max)
		a->list[a->count++] = size == 8 ? (u64)be32(value) << 32 | be32(value + 4) : be32(value);
	return true;
}

unsigned fdt_cpus(u64 *mpidr, unsigned max)
{
	struct affinities a = { mpidr, 0, max };
	walk(visit_cpu, &a);
	return a.count;
}

u64 option(const char *name, u64 otherwise)
{
	const char *p = fdt_string("/chosen", "bootargs");
	size_t n = strlen(name);
	while (p && *p) {
		if (memcmp(p, name, n) == 0 && p[n] == '=') {
			u64 v = 0;
			for (p += n + 1; *p >= '0' && *p <= '9'; p++)
				v = v * 10 + (u64)(*p - '0');
			return v;
		}
		while (*p && *p != ' ')
			p++;
		while (*p == ' ')
			p++;
	}
	return otherwise;
}
