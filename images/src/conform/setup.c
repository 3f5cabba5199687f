/* FF-A (DEN0077A): version, identity, features, buffers, discovery, direct messages. */
#include "conform.h"

#define HIGH (0xdeadul << 48)

/* Versions. */
static bool is_version(void) { return out[0] >= 0x10000 && out[0] < 0x20000; }

static u64 ask(const char *what, u64 version)
{
	TRY(what, FFA_VERSION, version);
	require(is_version(), "x0 = 1.x without an FF-A status");
	return out[0];
}

static void id_is_0(void)
{
	TRY("FFA_ID_GET", FFA_ID_GET);
	success_with(0);
}

static bool no_version(void) { return (int)(u32)out[0] == NOT_SUPPORTED && (out[0] >> 32 == 0 || out[0] == ~0ul); }

static void version_refused(const struct test *t)
{
	TRY("FFA_VERSION", FFA_VERSION, t->a);
	require(no_version(), "x0 = NOT_SUPPORTED");
	ask("FFA_VERSION afterwards", ffa_version);
	id_is_0();
}

static void version_own(const struct test *t)
{
	(void)t;
	u64 own = ask("FFA_VERSION(1.2)", 0x10002);
	for (u64 v = 0x10000; v < 0x10002; v++) {
		u64 got = ask("FFA_VERSION again", v);
		require(got == own || got == v, "the first answer, or what was asked for");
	}
	ask("FFA_VERSION afterwards", ffa_version);
}

static void version_newer(const struct test *t)
{
	(void)t;
	TRY("FFA_VERSION(1.32767)", FFA_VERSION, 0x17fff);
	require(is_version() || no_version(), "x0 = 1.x or NOT_SUPPORTED");
	chose(is_version() ? "a version" : "NOT_SUPPORTED");
	ask("FFA_VERSION afterwards", ffa_version);
	id_is_0();
}

static void version_major(const struct test *t)
{
	(void)t;
	static const u32 v[] = { 0, 1, 0x20000, 0x7fff0000 };
	for (u32 i = 0; i < COUNT(v); i++) {
		TRY("FFA_VERSION of another major version", FFA_VERSION, v[i]);
		require(is_version() || no_version(), "x0 = 1.x or NOT_SUPPORTED");
		chose(is_version() ? "a version" : "NOT_SUPPORTED");
	}
	ask("FFA_VERSION afterwards", ffa_version);
	map_buffers();
	info_size_is("records afterwards", 24);
}

static void version_upper(const struct test *t)
{
	(void)t;
	ask("FFA_VERSION with bits above w1", 0xdeadbeef00000000 | ffa_version);
}

static void version_hint(const struct test *t)
{
	(void)t;
	TRY("FFA_VERSION with the hint", FFA_VERSION | 1 << 16, ffa_version);
	require(is_version(), "x0 = 1.x");
	TRY("FFA_ID_GET with the hint", FFA_ID_GET | 1 << 16);
	success_with(0);
}

static void version_locked(const struct test *t)
{
	(void)t;
	map_buffers();
	CALL(FFA_VERSION, 0x10000);
	info_size_is("records after FFA_VERSION(1.0) that came too late", 24);
}

static void version_last(const struct test *t)
{
	(void)t;
	ask("FFA_VERSION(1.0)", 0x10000);
	ask("FFA_VERSION afterwards", ffa_version);
	map_buffers();
	info_size_is("records of the last version", 24);
}

static void version_12(const struct test *t)
{
	(void)t;
	map_buffers();
	info_size_is("records", 24);
}

/* Identity and features. */
static void id_get(const struct test *t)
{
	(void)t;
	id_is_0();
}

static void id_get_upper(const struct test *t)
{
	(void)t;
	doing = "FFA_ID_GET with values in all registers";
	CALL(FFA_ID_GET, HIGH | 1, HIGH | 2, HIGH | 3, HIGH | 4, HIGH | 5, HIGH | 6, HIGH | 7);
	success_with(0);
}

static void spm_id(const struct test *t)
{
	(void)t;
	TRY("FFA_SPM_ID_GET", FFA_SPM_ID_GET);
	success(1);
	require(out[2] >> 15 == 1, "16 bits, bit 15 set");
	u64 id = out[2];
	doing = "asking for partitions";
	u64 n = info_get(no_uuid, 0), size = out[3];
	for (u64 i = 0; i < n && (i + 1) * size <= PAGE; i++)
		if ((u16)get32(rx + i * size) == id)
			reject("an identifier of its own: partition 0x%lx has the SPMC's", id);
}

static void features(const struct test *t)
{
	TRY("FFA_FEATURES", FFA_FEATURES, t->a);
	if (t->b)
		refused((u32)t->b);
	else
		success(2);
}

static void features_granule(const struct test *t)
{
	(void)t;
	TRY("FFA_FEATURES(FFA_RXTX_MAP)", FFA_FEATURES, FFA_RXTX_MAP);
	success(1);
	require((out[2] & 3) != 3 && (out[2] & 0xfffc) == 0, "granule 0, 1 or 2, bits 15:2 zero");
}

static void not_a_call(const struct test *t)
{
	TRY("a call that the normal world does not have", t->a, 1, 2, 3);
	refused(CODE(NOT_SUPPORTED));
}

/* RX and TX. */
static void map_smc32(const struct test *t)
{
	(void)t;
	TRY("FFA_RXTX_MAP, SMC32, with bits above", FFA_RXTX_MAP32, HIGH | (u64)tx, HIGH | (u64)rx, HIGH | 1);
	success(0);
	info_size_is("records in RX", 24);
}

static void map_smc64(const struct test *t)
{
	(void)t;
	fill((u64)tx, 2 * PAGE);
	fill((u64)rx - PAGE, 3 * PAGE);
	map_buffers();
	doing = "asking for partitions";
	info_get(no_uuid, 0);
	require(rx[1] >> 7, "a record of a secure endpoint in RX");
	filled("TX and its neighbour", (u64)tx, 2 * PAGE);
	filled("the page before RX", (u64)rx - PAGE, PAGE);
	filled("the page behind RX", (u64)rx + PAGE, PAGE);
}

static void map_pages(const struct test *t)
{
	TRY("FFA_RXTX_MAP of several pages", FFA_RXTX_MAP, (u64)tx, (u64)rx, t->a);
	success(0);
	info_size_is("records in RX", 24);
}

static void map_twice(const struct test *t)
{
	(void)t;
	TRY("FFA_RXTX_MAP again", FFA_RXTX_MAP, BUF, BUF + PAGE, 1);
	refused(CODE(DENIED));
	fill(BUF, 2 * PAGE);
	info_size_is("records in the first RX", 24);
	filled("buffers that were refused", BUF, 2 * PAGE);
}

static void unmap(const struct test *t)
{
	(void)t;
	unmap_buffers();
	TRY("mapping other buffers", FFA_RXTX_MAP, (u64)data, (u64)data + PAGE, 1);
	success(0);
	info_size_is("records in the new RX", 24);
}

static void unmap_twice(const struct test *t)
{
	(void)t;
	unmap_buffers();
	TRY("FFA_RXTX_UNMAP again", FFA_RXTX_UNMAP);
	refused(CODE(INVALID));
}

static void unmap_nothing(const struct test *t)
{
	(void)t;
	TRY("FFA_RXTX_UNMAP of nothing", FFA_RXTX_UNMAP);
	refused(CODE(INVALID));
}

static void unmap_vm(const struct test *t)
{
	(void)t;
	TRY("FFA_RXTX_UNMAP for VM 5", FFA_RXTX_UNMAP, 5 << 16);
	refused(CODE(INVALID));
	info_size_is("records in RX", 24);
}

static void unmapped_tx(const struct test *t)
{
	(void)t;
	u32 length = build_one(SHARE, BUF, 1);
	unmap_buffers();
	send("FFA_MEM_SHARE without TX", SHARE, length);
	refused(CODE(INVALID) | CODE(DENIED));
}

static void unmap_gives_back(const struct test *t)
{
	(void)t;
	unmap_buffers();
	TRY("mapping buffers in BUF", FFA_RXTX_MAP, BUF, BUF + PAGE, 1);
	success(0);
	unmap_buffers();
	map_buffers();
	reclaim(lend(BUF, 1));
}

static void release_not_held(const struct test *t)
{
	if (t->a)
		info_size_is("records in RX", 24);
	TRY("FFA_RX_RELEASE", FFA_RX_RELEASE);
	refused((u32)t->b);
}

static void release_vm(const struct test *t)
{
	(void)t;
	doing = "asking for partitions";
	info_get(no_uuid, 0);
	TRY("FFA_RX_RELEASE for VM 5", FFA_RX_RELEASE, 5);
	refused(CODE(INVALID) | CODE(DENIED));
	TRY("FFA_RX_RELEASE", FFA_RX_RELEASE);
	success(0);
}

/* TX, RX and pages of a mapping that is refused; 0 stands for the good buffer, as it cannot be one on this board. */
static void bad_buffers(const struct test *t)
{
	u64 a = t->a ? t->a : (u64)tx, b = t->b ? t->b : (u64)rx;
	if (t->b == 1)
		b = (u64)rx + 1;
	if (t->a == 1)
		a = (u64)tx + 0x800;
	if (t->b == 2)
		b = (u64)tx;
	if (t->b == 3)
		b = (u64)tx + PAGE;
	TRY("FFA_RXTX_MAP", FFA_RXTX_MAP, a, b, t->c);
	refused((u32)t->d);
	map_buffers();
	info_size_is("records in RX", 24);
}

static void map_taken(const struct test *t)
{
	if (t->a)
		lend(BUF, 1);
	else
		share(BUF, 1);
	unmap_buffers();
	TRY("FFA_RXTX_MAP", FFA_RXTX_MAP, (u64)tx, BUF, 1);
	refused(CODE(INVALID) | CODE(DENIED));
	TRY("FFA_RXTX_MAP the other way", FFA_RXTX_MAP, BUF, (u64)rx, 1);
	refused(CODE(INVALID) | CODE(DENIED));
	map_buffers();
}

#define EITHER       (CODE(INVALID) | CODE(DENIED))
#define THERE(f)     { "features-" #f, FFA("FFA_FEATURES"), features, 0, f, 0, 0, 0 }
#define THERE_NOT(n, f) { "features-no-" n, FFA("FFA_FEATURES"), features, 0, f, CODE(NOT_SUPPORTED), 0, 0 }
#define NOT_CALL(n, f) { "unknown-" n, FFA("FFA_ERROR, NOT_SUPPORTED"), not_a_call, 0, f, 0, 0, 0 }
#define BAD_MAP(n, tx, rx, pages, codes) { "rxtx-map-" n, FFA("FFA_RXTX_MAP"), bad_buffers, 0, tx, rx, pages, codes }
const struct test setup_tests[] = {
	/* The version is locked by the first other call, so these come first. */
	{ .name = "version-answers-own", .rule = FFA("FFA_VERSION"), .run = version_own },
	{ .name = "version-last-one-counts", .rule = FFA("FFA_VERSION"), .run = version_last },
	{ .name = "version-upper-half", .rule = REGISTERS, .run = version_upper },
	{ .name = "version-sve-hint", .rule = HINT, .run = version_hint },
	{ .name = "version-bit-31", .rule = FFA("FFA_VERSION"), .run = version_refused, .a = 0x80010002 },
	{ .name = "version-all-ones", .rule = FFA("FFA_VERSION"), .run = version_refused, .a = 0xffffffff },
	{ .name = "version-newer-minor", .rule = FFA("FFA_VERSION"), .run = version_newer },
	{ .name = "version-other-major", .rule = FFA("FFA_VERSION"), .run = version_major },
	{ .name = "version-locked", .rule = FFA("FFA_VERSION"), .run = version_locked },
	{ .name = "version-1.2", .rule = FFA("FFA_VERSION"), .run = version_12, .needs = NEED_FFA12 },
	{ .name = "id-get", .rule = FFA("FFA_ID_GET"), .run = id_get },
	{ .name = "id-get-upper-halves", .rule = REGISTERS, .run = id_get_upper },
	{ .name = "spm-id-get", .rule = FFA("FFA_SPM_ID_GET"), .run = spm_id, .needs = BUFFERS },
	THERE(0x84000063),
	THERE(0x84000064),
	THERE(0x84000065),
	THERE(0x84000066),
	THERE(0xc4000066),
	THERE(0x84000067),
	THERE(0x84000068),
	THERE(0x84000069),
	THERE(0x84000085),
	THERE(0x8400006f),
	THERE(0x84000073),
	THERE(0xc4000073),
	THERE(0x84000072),
	THERE(0xc4000072),
	THERE(0x84000077),
	THERE_NOT("unassigned", 0x84000092),
	THERE_NOT("wrong-convention", 0xc4000063),
	THERE_NOT("psci", 0x84000000),
	THERE_NOT("mem-perm-get", 0x84000088),
	THERE_NOT("secondary-ep-register", 0xc4000087),
	THERE_NOT("feature-0", 0),
	THERE_NOT("feature-reserved", 0x7fffffff),
	THERE_NOT("managed-exit", 3),
	{ .name = "features-rxtx-granule", .rule = FFA("FFA_FEATURES"), .run = features_granule },
	{ .name = "features-upper-half", .rule = REGISTERS, .run = features, .a = HIGH | FFA_RXTX_MAP },
	NOT_CALL("unassigned", 0x84000092),
	NOT_CALL("unassigned-smc64", 0xc4000093),
	NOT_CALL("smc64-of-id-get", 0xc4000069),
	NOT_CALL("smc32-of-info-get-regs", 0x8400008b),
	NOT_CALL("error", FFA_ERROR),
	NOT_CALL("success", FFA_SUCCESS),
	NOT_CALL("msg-wait", 0x8400006b),
	NOT_CALL("yield", FFA_YIELD),
	NOT_CALL("mem-perm-get", 0x84000088),
	NOT_CALL("mem-perm-set", 0xc4000089),
	NOT_CALL("secondary-ep-register", 0xc4000087),
	NOT_CALL("normal-world-resume", 0x8400007c),
	NOT_CALL("el3-intr-handle", 0x8400008c),
	NOT_CALL("retrieve-resp", 0x84000075),
	{ .name = "rxtx-map-smc32", .rule = FFA("FFA_RXTX_MAP"), .run = map_smc32 },
	{ .name = "rxtx-map-smc64", .rule = FFA("FFA_RXTX_MAP"), .run = map_smc64 },
	{ .name = "rxtx-map-two-pages", .rule = FFA("FFA_RXTX_MAP"), .run = map_pages, .a = 2 },
	{ .name = "rxtx-map-sixteen-pages", .rule = FFA("FFA_RXTX_MAP"), .run = map_pages, .a = 16 },
	{ .name = "rxtx-map-twice", .rule = FFA("FFA_RXTX_MAP"), .run = map_twice, .needs = BUFFERS },
	{ .name = "rxtx-unmap", .rule = FFA("FFA_RXTX_UNMAP"), .run = unmap, .needs = BUFFERS },
	{ .name = "rxtx-unmap-twice", .rule = FFA("FFA_RXTX_UNMAP"), .run = unmap_twice, .needs = BUFFERS },
	{ .name = "rxtx-unmap-nothing", .rule = FFA("FFA_RXTX_UNMAP"), .run = unmap_nothing },
	{ .name = "rxtx-unmap-of-vm", .rule = FFA("FFA_RXTX_UNMAP"), .run = unmap_vm, .needs = BUFFERS },
	{ .name = "rxtx-unmap-gives-memory-back", .rule = FFA("FFA_RXTX_UNMAP"), .run = unmap_gives_back, .needs = LINUX },
	{ .name = "rxtx-unmapped-tx", .rule = MEM("FFA_MEM_SHARE"), .run = unmapped_tx, .needs = LINUX },
	{ .name = "rx-release-not-held", .rule = FFA("FFA_RX_RELEASE"), .run = release_not_held, .needs = BUFFERS, .b = CODE(DENIED) },
	{ .name = "rx-release-twice", .rule = FFA("FFA_RX_RELEASE"), .run = release_not_held, .needs = BUFFERS, .a = 1, .b = CODE(DENIED) },
	{ .name = "rx-release-without-buffers", .rule = FFA("FFA_RX_RELEASE"), .run = release_not_held, .b = EITHER },
	{ .name = "rx-release-of-vm", .rule = FFA("FFA_RX_RELEASE"), .run = release_vm, .needs = BUFFERS },
	BAD_MAP("no-pages", 0, 0, 0, CODE(INVALID)),
	BAD_MAP("reserved-bits", 0, 0, 1 | 1 << 6, CODE(INVALID)),
	BAD_MAP("reserved-high-bits", 0, 0, 1 | 1u << 31, CODE(INVALID)),
	BAD_MAP("misaligned-tx", 1, 0, 1, CODE(INVALID)),
	BAD_MAP("misaligned-rx", 0, 1, 1, CODE(INVALID)),
	BAD_MAP("same-page", 0, 2, 1, CODE(INVALID)),
	BAD_MAP("overlap", 0, 3, 2, CODE(INVALID)),
	BAD_MAP("device-tx", DEVICE, 0, 1, EITHER),
	BAD_MAP("device-rx", 0, DEVICE, 1, EITHER),
	BAD_MAP("wraps", 0, WILD, 2, EITHER),
	BAD_MAP("wild", 1ul << 63, 0, 1, EITHER),
	BAD_MAP("secure-rx", 0, SECURE_RAM, 1, EITHER),
	BAD_MAP("secure-tx", SECURE_RAM, 0, 1, EITHER),
	{ .name = "rxtx-map-lent", .rule = FFA("FFA_RXTX_MAP"), .run = map_taken, .needs = LINUX, .a = 1 },
	{ .name = "rxtx-map-shared", .rule = FFA("FFA_RXTX_MAP"), .run = map_taken, .needs = LINUX },
};
const u32 nsetup_tests = COUNT(setup_tests);

/* Discovery. */
static void count(const struct test *t)
{
	(void)t;
	doing = "asking for a count";
	u64 n = info_get(no_uuid, 1);
	require(n >= 1 && n < 1 << 15, "1 or more");
}

static void count_leaves_rx(const struct test *t)
{
	(void)t;
	fill((u64)rx, PAGE);
	info_get(no_uuid, 1);
	TRY("FFA_RX_RELEASE after a count", FFA_RX_RELEASE);
	refused(CODE(DENIED));
	filled("RX after a count", (u64)rx, PAGE);
}

static void count_agrees(const struct test *t)
{
	(void)t;
	doing = "asking for a count, then for records";
	u64 n = info_get(no_uuid, 1);
	require(info_get(no_uuid, 0) == n, "as many records as counted");
}

static void optee_record(const struct test *t)
{
	(void)t;
	doing = "asking for OP-TEE";
	require(info_get(optee_uuid, 0) == 1, "one partition that speaks OP-TEE's protocol");
	u32 properties = get32(rx + 4);
	require(properties & 1 && properties >> 8 & 1, "a partition for AArch64 that receives direct requests");
	for (u32 i = 0; i < 4; i++)
		require(get32(rx + 8 + 4 * i) == optee_uuid[i], "OP-TEE's UUID in the record");
}

static void record_size(const struct test *t)
{
	(void)t;
	info_size_is("records", 24);
}

static void unknown_uuid(const struct test *t)
{
	TRY("asking for an unknown UUID", FFA_INFO_GET, nobody_uuid[0], nobody_uuid[1], nobody_uuid[2], nobody_uuid[3], t->a);
	refused(CODE(INVALID));
	if (t->a)
		return;
	TRY("FFA_RX_RELEASE after a refusal", FFA_RX_RELEASE);
	refused(CODE(DENIED));
}

static void partial_uuid(const struct test *t)
{
	(void)t;
	for (u32 i = 0; i < 4; i++) {
		u32 u[4];
		memcpy(u, optee_uuid, sizeof u);
		u[i] ^= 1;
		TRY("asking for a UUID with one bit changed", FFA_INFO_GET, u[0], u[1], u[2], u[3], 1);
		refused(CODE(INVALID));
	}
}

static void uuid_text_order(const struct test *t)
{
	(void)t;
	TRY("asking for words in the order of the text", FFA_INFO_GET, 0x486178e0, 0xe7f811e3, 0xbc5e0002, 0xa5d5c51b, 1);
	refused(CODE(INVALID));
}

static void uuid_upper(const struct test *t)
{
	(void)t;
	const u32 *u = optee_uuid;
	TRY("counting OP-TEE with bits above the words", FFA_INFO_GET, HIGH | u[0], HIGH | u[1], HIGH | u[2], HIGH | u[3], 1);
	success_with(1);
}

static void reserved_flags(const struct test *t)
{
	(void)t;
	TRY("a reserved flag", FFA_INFO_GET, 0, 0, 0, 0, 2);
	refused(CODE(INVALID));
	TRY("a reserved flag with a count", FFA_INFO_GET, 0, 0, 0, 0, 0x80000001);
	refused(CODE(INVALID));
}

static void rx_busy(const struct test *t)
{
	(void)t;
	doing = "asking for partitions";
	info_get(no_uuid, 0);
	fill((u64)rx, PAGE);
	TRY("asking again", FFA_INFO_GET);
	refused(CODE(BUSY));
	filled("RX that the caller owns", (u64)rx, PAGE);
	TRY("FFA_RX_RELEASE", FFA_RX_RELEASE);
	success(0);
	doing = "asking after the release";
	info_get(no_uuid, 0);
}

static void rx_not_mapped(const struct test *t)
{
	(void)t;
	TRY("asking without buffers", FFA_INFO_GET);
	refused(CODE(BUSY) | CODE(INVALID));
}

static void rx_bounds(const struct test *t)
{
	(void)t;
	fill((u64)rx - PAGE, 3 * PAGE);
	map_buffers();
	doing = "asking for partitions";
	info_get(no_uuid, 0);
	filled("the page before RX", (u64)rx - PAGE, PAGE);
	filled("the page behind RX", (u64)rx + PAGE, PAGE);
}

static void regs_reply(void)
{
	require(out[0] == FFA_SUCCESS64 && out[1] == 0, "FFA_SUCCESS_64 with records");
	u64 last = out[2] & 0xffff, current = out[2] >> 16 & 0xffff, size = out[2] >> 48;
	require(current <= last && size >= 24 && size % 8 == 0, "indices in order, descriptors of 24 bytes or more");
}

static void info_regs(const u32 u[4], u64 start, u64 tag)
{
	CALL(FFA_INFO_REGS, (u64)u[1] << 32 | u[0], (u64)u[3] << 32 | u[2], start | tag << 16);
}

static void regs_optee(const struct test *t)
{
	(void)t;
	doing = "asking for OP-TEE through registers";
	info_regs(optee_uuid, 0, 0);
	regs_reply();
	require((out[2] & 0xffff) == 0, "one record");
	require(out[4] == ((u64)optee_uuid[1] << 32 | optee_uuid[0]) && out[5] == ((u64)optee_uuid[3] << 32 | optee_uuid[2]), "OP-TEE's UUID in x4 and x5");
}

static void regs_agree(const struct test *t)
{
	(void)t;
	doing = "asking for partitions through registers";
	u64 start = 0, tag = 0, n = 0;
	info_get(no_uuid, 0);
	u64 want = out[2], size = out[3];
	for (;;) {
		info_regs(no_uuid, start, tag);
		regs_reply();
		u64 current = out[2] >> 16 & 0xffff, step = (out[2] >> 48) / 8;
		require(current >= start && (current - start + 1) * step <= 15, "descriptors that fit x3 to x17");
		for (u64 i = start; i <= current; i++, n++)
			for (u64 word = 0; word < 3 && n < want; word++)
				require(out[3 + (i - start) * step + word] == get64(rx + n * size + 8 * word), "the records that RX holds");
		if (current == (out[2] & 0xffff))
			break;
		start = current + 1;
		tag = out[2] >> 32 & 0xffff;
	}
	require(n == want, "as many records as RX holds");
}

static void regs_leave_rx(const struct test *t)
{
	(void)t;
	fill((u64)rx, PAGE);
	doing = "asking for partitions through registers";
	info_regs(no_uuid, 0, 0);
	regs_reply();
	filled("RX", (u64)rx, PAGE);
	TRY("FFA_RX_RELEASE", FFA_RX_RELEASE);
	refused(CODE(DENIED));
}

static void regs_without_buffers(const struct test *t)
{
	(void)t;
	doing = "asking for partitions through registers";
	info_regs(no_uuid, 0, 0);
	regs_reply();
}

static void regs_unknown(const struct test *t)
{
	(void)t;
	doing = "asking for an unknown UUID";
	info_regs(nobody_uuid, 0, 0);
	refused(CODE(INVALID));
}

static void regs_beyond(const struct test *t)
{
	(void)t;
	info_regs(no_uuid, 0, 0);
	regs_reply();
	u64 n = (out[2] & 0xffff) + 1;
	doing = "a start index behind the last record";
	info_regs(no_uuid, n, 0);
	refused(CODE(INVALID) | CODE(RETRY));
	doing = "start index 65535";
	info_regs(no_uuid, 0xffff, 0);
	refused(CODE(INVALID) | CODE(RETRY));
}

static void regs_wrong_tag(const struct test *t)
{
	(void)t;
	info_regs(no_uuid, 0, 0);
	regs_reply();
	u64 tag = out[2] >> 32 & 0xffff;
	doing = "another tag";
	info_regs(no_uuid, 0, tag ^ 0x5a5a);
	refused(CODE(INVALID) | CODE(RETRY));
}

#define INFO FFA("FFA_PARTITION_INFO_GET")
#define REGS FFA("FFA_PARTITION_INFO_GET_REGS")
const struct test discovery_tests[] = {
	{ .name = "count", .rule = INFO, .run = count, .needs = BUFFERS },
	{ .name = "count-without-buffers", .rule = INFO, .run = count },
	{ .name = "count-leaves-rx", .rule = INFO, .run = count_leaves_rx, .needs = BUFFERS },
	{ .name = "count-agrees", .rule = INFO, .run = count_agrees, .needs = BUFFERS },
	{ .name = "optee-record", .rule = "Linux 7.2, drivers/firmware/arm_ffa/driver.c, ffa_setup_partitions", .run = optee_record, .needs = LINUX },
	{ .name = "record-size", .rule = INFO, .run = record_size, .needs = BUFFERS },
	{ .name = "unknown-uuid", .rule = INFO, .run = unknown_uuid, .needs = BUFFERS },
	{ .name = "unknown-uuid-count", .rule = INFO, .run = unknown_uuid, .needs = BUFFERS, .a = 1 },
	{ .name = "partial-uuid", .rule = INFO, .run = partial_uuid, .needs = BUFFERS },
	{ .name = "uuid-words-in-text-order", .rule = SMCCC("UUID format"), .run = uuid_text_order, .needs = BUFFERS },
	{ .name = "uuid-upper-halves", .rule = REGISTERS, .run = uuid_upper, .needs = LINUX },
	{ .name = "reserved-flags", .rule = INFO, .run = reserved_flags, .needs = BUFFERS },
	{ .name = "rx-busy", .rule = INFO, .run = rx_busy, .needs = BUFFERS },
	{ .name = "rx-not-mapped", .rule = INFO, .run = rx_not_mapped },
	{ .name = "rx-within-bounds", .rule = INFO, .run = rx_bounds },
	{ .name = "regs-announced", .rule = FFA("FFA_FEATURES"), .run = features, .needs = NEED_FFA12, .a = FFA_INFO_REGS },
	{ .name = "regs-agree", .rule = REGS, .run = regs_agree, .needs = NEED_FFA12 | BUFFERS },
	{ .name = "regs-without-buffers", .rule = REGS, .run = regs_without_buffers, .needs = NEED_FFA12 },
	{ .name = "regs-leave-rx", .rule = REGS, .run = regs_leave_rx, .needs = NEED_FFA12 | BUFFERS },
	{ .name = "regs-optee", .rule = REGS, .run = regs_optee, .needs = NEED_FFA12 | LINUX },
	{ .name = "regs-unknown-uuid", .rule = REGS, .run = regs_unknown, .needs = NEED_FFA12 },
	{ .name = "regs-start-beyond-end", .rule = REGS, .run = regs_beyond, .needs = NEED_FFA12 },
	{ .name = "regs-wrong-tag", .rule = REGS, .run = regs_wrong_tag, .needs = NEED_FFA12 },
};
const u32 ndiscovery_tests = COUNT(discovery_tests);

/* Messages. */
static void direct(const struct test *t)
{
	(void)t;
	alive();
}

static void direct_without_buffers(const struct test *t)
{
	(void)t;
	unmap_buffers();
	alive();
}

static void direct_upper(const struct test *t)
{
	(void)t;
	TRY("FFA_MSG_SEND_DIRECT_REQ with bits above", FFA_REQ, HIGH | optee_id, HIGH, HIGH | API_VERSION, HIGH, HIGH, HIGH, HIGH);
	require(out[0] == FFA_RESP && out[1] == (u64)optee_id << 16 && out[2] == 0 && out[3] == 1 && out[4] == 0, "version 1.0");
}

static void direct_smc64(const struct test *t)
{
	(void)t;
	TRY("FFA_MSG_SEND_DIRECT_REQ, SMC64", FFA_REQ64, optee_id, 0, API_VERSION);
	if (is_error())
		refused(ANY_CODE);
	else
		require(out[0] == FFA_RESP64 && out[1] == (u64)optee_id << 16 && out[2] == 0 && out[3] == 1 && out[4] == 0, "FFA_MSG_SEND_DIRECT_RESP_64");
	alive();
}

/* Identifiers of the cases: these stand for those that are only known when they run. */
enum { THE_OPTEE = 0x10000, NOBODY = 0x20000 };

static u64 id(u64 v) { return v == THE_OPTEE ? optee_id : v == NOBODY ? free_id() : v; }

/* a: source << 32 | destination; b: w2; c: codes */
static void direct_refused(const struct test *t)
{
	TRY("FFA_MSG_SEND_DIRECT_REQ", FFA_REQ, id(t->a >> 32) << 16 | id((u32)t->a), t->b, API_VERSION);
	refused((u32)t->c);
	alive();
}

static void response_unasked(const struct test *t)
{
	(void)t;
	TRY("FFA_MSG_SEND_DIRECT_RESP", FFA_RESP, optee_id);
	refused(ANY_CODE);
	TRY("FFA_MSG_SEND_DIRECT_RESP, SMC64", FFA_RESP64, optee_id);
	refused(ANY_CODE);
	alive();
}

static void direct2(const struct test *t)
{
	u64 to = id(t->a);
	if (t->a == THE_OPTEE) {
		info_get(optee_uuid, 0);
		if (get32(rx + 4) >> 9 & 1)
			skip("OP-TEE receives FFA_MSG_SEND_DIRECT_REQ2");
		TRY("releasing RX", FFA_RX_RELEASE);
	}
	u64 lo = 0, hi = 0;
	if (to) {
		lo = (u64)optee_uuid[1] << 32 | optee_uuid[0];
		hi = (u64)optee_uuid[3] << 32 | optee_uuid[2];
	}
	TRY("FFA_MSG_SEND_DIRECT_REQ2", FFA_REQ2, to, lo, hi, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	refused((u32)t->b);
	alive();
}

static void run_refused(const struct test *t)
{
	TRY("FFA_RUN", FFA_RUN, id(t->a) << 16);
	refused((u32)t->b);
	alive();
}

#define REQ  FFA("FFA_MSG_SEND_DIRECT_REQ")
#define REQ2 FFA("FFA_MSG_SEND_DIRECT_REQ2")
#define BAD_REQ(n, source, destination, flags, codes) { "direct-" n, REQ, direct_refused, 0, (u64)(source) << 32 | (destination), flags, codes, 0 }
const struct test message_tests[] = {
	{ .name = "direct", .rule = REQ, .run = direct },
	{ .name = "direct-without-buffers", .rule = REQ, .run = direct_without_buffers },
	{ .name = "direct-upper-halves", .rule = REGISTERS, .run = direct_upper },
	{ .name = "direct-smc64", .rule = REQ, .run = direct_smc64 },
	BAD_REQ("flags", 0, THE_OPTEE, 1 << 8, CODE(INVALID)),
	BAD_REQ("type-of-partition-message", 0, THE_OPTEE, 1, CODE(INVALID)),
	BAD_REQ("framework-message", 0, THE_OPTEE, 0x80000008, EITHER | CODE(NOT_SUPPORTED)),
	BAD_REQ("to-nobody", 0, NOBODY, 0, CODE(INVALID)),
	BAD_REQ("to-itself", 0, 0, 0, CODE(INVALID)),
	BAD_REQ("to-vm", 0, 5, 0, CODE(INVALID)),
	BAD_REQ("from-secure-endpoint", NOBODY, THE_OPTEE, 0, EITHER),
	BAD_REQ("from-spmc", 0x8000, THE_OPTEE, 0, EITHER),
	BAD_REQ("from-vm", 5, THE_OPTEE, 0, EITHER),
	BAD_REQ("identifiers-swapped", THE_OPTEE, 0, 0, EITHER),
	{ .name = "direct-response-unasked", .rule = FFA("FFA_MSG_SEND_DIRECT_RESP"), .run = response_unasked },
	{ .name = "direct2-unknown-property", .rule = REQ2, .run = direct2, .needs = NEED_FFA12, .a = THE_OPTEE, .b = CODE(DENIED) | CODE(NOT_SUPPORTED) },
	{ .name = "direct2-to-nobody", .rule = REQ2, .run = direct2, .needs = NEED_FFA12, .a = NOBODY, .b = CODE(INVALID) | CODE(NOT_SUPPORTED) },
	{ .name = "direct2-to-itself", .rule = REQ2, .run = direct2, .needs = NEED_FFA12, .a = 0, .b = CODE(INVALID) | CODE(NOT_SUPPORTED) },
	{ .name = "run-nobody", .rule = FFA("FFA_RUN"), .run = run_refused, .a = NOBODY, .b = CODE(INVALID) },
	{ .name = "run-not-preempted", .rule = FFA("FFA_RUN"), .run = run_refused, .a = THE_OPTEE, .b = EITHER | CODE(BUSY) },
	{ .name = "run-itself", .rule = FFA("FFA_RUN"), .run = run_refused, .a = 0, .b = CODE(INVALID) },
};
const u32 nmessage_tests = COUNT(message_tests);
