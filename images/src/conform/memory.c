/* FF-A memory management (DEN0140). */
#include "conform.h"

#define HIGH   (0xdeadul << 48)
#define EITHER (CODE(INVALID) | CODE(DENIED))

enum { RANGES_MAX = 600 };
static struct range ranges[RANGES_MAX];
static NOINIT u8 descriptor[PAGE * 3] __attribute__((aligned(16)));

/* n ranges of one page, every second page, in descending order: nothing can be merged. */
static void scatter(u64 addr, u32 n)
{
	for (u32 i = 0; i < n; i++)
		ranges[i] = (struct range){ addr + 2ul * PAGE * (n - 1 - i), 1 };
}

static void share_one(const struct test *t)
{
	(void)t;
	reclaim(share(BUF, 1));
}

static void send_smc32(const struct test *t)
{
	enum kind k = (enum kind)t->a;
	u64 n = build_one(k, k == LEND ? POOL : BUF, k == LEND ? POOL_PAGES : 1);
	TRY("SMC32, with bits above", function_of(k) & ~(1ul << 30), HIGH | n, HIGH | n, HIGH, HIGH, 1ul << 40, 1ul << 40, 1ul << 40);
	reclaim(handle());
}

static void keeps_contents(const struct test *t)
{
	(void)t;
	fill(BUF, 2 * PAGE);
	u64 h = share(BUF, 2);
	filled("memory that is shared", BUF, 2 * PAGE);
	*(volatile u64 *)BUF = 0x1122334455667788;
	reclaim(h);
	doing = "memory after the reclaim";
	require(*(volatile u64 *)BUF == 0x1122334455667788, "what was written while it was shared");
}

static void takes_pages(const struct test *t)
{
	(void)t;
	u64 h = share(BUF, 2);
	taken("sharing the first page again", BUF);
	taken("sharing the last page again", BUF + PAGE);
	reclaim(h);
	released("sharing after the reclaim", BUF, 2);
}

static u64 send_ranges(enum kind k, u32 n)
{
	send("a send of several ranges", k, build(k, ranges, n));
	return handle();
}

static void share_ranges(const struct test *t)
{
	(void)t;
	static const u8 in_it[] = { 0, 4, 6, 8, 9 }, beside[] = { 1, 3, 7, 10 };
	ranges[0] = (struct range){ BUF + 8 * PAGE, 2 };
	ranges[1] = (struct range){ BUF, 1 };
	ranges[2] = (struct range){ BUF + 4 * PAGE, 3 };
	u64 h = send_ranges(SHARE, 3);
	for (u32 i = 0; i < COUNT(in_it); i++)
		taken("sharing a page of a range", BUF + in_it[i] * PAGE);
	for (u32 i = 0; i < COUNT(beside); i++)
		released("sharing a page between the ranges", BUF + beside[i] * PAGE, 1);
	reclaim(h);
	released("sharing after the reclaim", BUF, 12);
}

static void adjacent_ranges(const struct test *t)
{
	(void)t;
	ranges[0] = (struct range){ BUF, 1 };
	ranges[1] = (struct range){ BUF + PAGE, 2 };
	ranges[2] = (struct range){ BUF + 3 * PAGE, 1 };
	reclaim(send_ranges(SHARE, 3));
	released("sharing after the reclaim", BUF, 4);
}

static void full_page(const struct test *t)
{
	(void)t;
	u32 n = (PAGE - (ffa_version >= 0x10002 ? 96 : 80)) / 16;
	scatter(BUF, n);
	reclaim(send_ranges(SHARE, n));
}

static void many_times(const struct test *t)
{
	(void)t;
	static u64 handles[63];
	for (u32 i = 0; i < COUNT(handles); i++) {
		handles[i] = share(BUF + 2ul * i * PAGE, 1);
		for (u32 j = 0; j < i; j++)
			require(handles[j] != handles[i], "another handle than those of live transactions");
	}
	for (u32 i = 0; i < COUNT(handles); i++)
		reclaim(handles[i * 37 % COUNT(handles)]);
	released("sharing after the reclaims", BUF, 126);
}

/* A gap of 16 bytes at an offset, with the offsets behind it moved. */
static void gap(const struct test *t)
{
	u32 n = build_one(SHARE, BUF, 1), at = t->a ? AT_COMPOSITE : AT_EMAD;
	memcpy(descriptor, tx, n);
	memset(tx + at, 0, 16);
	memcpy(tx + at + 16, descriptor + at, n - at);
	u32 emad = t->a ? AT_EMAD : AT_EMAD + 16;
	put32(tx + 32, emad);
	put32(tx + emad + 4, AT_COMPOSITE + 16);
	send("FFA_MEM_SHARE", SHARE, n + 16);
	reclaim(handle());
}

static void implementation_defined(const struct test *t)
{
	(void)t;
	u32 n = build_one(SHARE, BUF, 1);
	put64(tx + AT_EMAD + 8, 0x0123456789abcdef);
	put64(tx + AT_EMAD + 16, 0xfedcba9876543210);
	send("FFA_MEM_SHARE", SHARE, n);
	reclaim(handle());
}

static void leaves_tx(const struct test *t)
{
	(void)t;
	fill((u64)tx, PAGE);
	u32 n = build_one(SHARE, BUF, 1);
	memcpy(descriptor, tx, PAGE);
	send("FFA_MEM_SHARE", SHARE, n);
	u64 h = handle();
	contains("TX", (u64)tx, descriptor, PAGE);
	reclaim(h);
}

static void layout(const struct test *t)
{
	enum kind k = (enum kind)t->a;
	u64 addr = k == LEND ? POOL : BUF;
	u32 n = build_one(k, addr, 1);
	if (emad_size != t->b) {
		/* The same with the short access descriptor. */
		memcpy(descriptor, tx, n);
		emad_size = (u32)t->b;
		memset(tx + AT_EMAD + 8, 0, 8);
		memcpy(tx + AT_COMPOSITE, descriptor + 80, 32);
		put32(tx + 24, emad_size);
		put32(tx + AT_EMAD + 4, AT_COMPOSITE);
		n = AT_RANGE + 16;
	}
	send("a send", k, n);
	reclaim(handle());
}

static void lend_one(const struct test *t)
{
	reclaim(lend(POOL, (u32)t->a));
}

static void lend_takes(const struct test *t)
{
	(void)t;
	u64 h = lend(POOL, 4);
	taken("sharing the first page", POOL);
	taken("sharing the last page", POOL + 3 * PAGE);
	released("sharing the page behind", POOL + 4 * PAGE, 1);
	reclaim(h);
	released("sharing after the reclaim", POOL, 4);
}

static void lend_other_order(const struct test *t)
{
	(void)t;
	u64 a = lend(POOL, 2), b = share(BUF, 2), c = lend(POOL + 16 * PAGE, 2);
	reclaim(b);
	reclaim(a);
	taken("sharing a page of the third", POOL + 16 * PAGE);
	reclaim(c);
	released("sharing after the reclaims", POOL, 18);
}

static void lend_share_lend(const struct test *t)
{
	(void)t;
	for (u32 i = 0; i < 3; i++) {
		reclaim(lend(POOL, 4));
		reclaim(share(POOL, 4));
	}
}

static void lend_until_refused(const struct test *t)
{
	(void)t;
	u64 handles[16];
	u32 n;
	for (n = 0; n < COUNT(handles); n++) {
		u64 at = POOL + 4ul * n * PAGE;
		fill(at, PAGE);
		send("FFA_MEM_LEND", LEND, build_one(LEND, at, 1));
		if (is_error()) {
			refused(CODE(NO_MEMORY));
			filled("memory that was not lent", at, PAGE);
			released("sharing memory that was not lent", at, 1);
			break;
		}
		handles[n] = handle();
	}
	for (u32 i = 0; i < n; i++)
		reclaim(handles[i]);
	released("sharing after the reclaims", POOL, 64);
}

static void donate(const struct test *t)
{
	(void)t;
	fill(BUF, PAGE);
	send("FFA_MEM_DONATE", DONATE, build_one(DONATE, BUF, 1));
	refused(EITHER | CODE(NOT_SUPPORTED));
	filled("memory after the refusal", BUF, PAGE);
	released("sharing after the refusal", BUF, 1);
}

/* Fragments. The descriptor is built in TX and moved to where the fragments come from. */
static u32 prepare(u32 n)
{
	scatter(BUF, n);
	if (n <= 200) {
		u32 length = build(SHARE, ranges, n);
		memcpy(descriptor, tx, length);
		return length;
	}
	build(SHARE, ranges, 1);
	memcpy(descriptor, tx, AT_RANGE);
	put32(descriptor + AT_COMPOSITE, n);
	put32(descriptor + AT_COMPOSITE + 4, n);
	for (u32 i = 0; i < n; i++) {
		put64(descriptor + AT_RANGE + 16 * i, ranges[i].addr);
		put64(descriptor + AT_RANGE + 16 * i + 8, 1);
	}
	return AT_RANGE + 16 * n;
}

static u64 wants_more(u32 offset)
{
	require(out[0] == FFA_FRAG_RX && out[1] >> 32 == 0 && out[2] >> 32 == 0 && out[3] == offset && out[4] == 0, "FFA_MEM_FRAG_RX with the next offset in w3");
	u64 h = out[1] | out[2] << 32;
	require(h != 0 && h != ~0ul, "a handle that is neither 0 nor all ones");
	return h;
}

static u64 begin(u32 length, u32 first)
{
	memcpy(tx, descriptor, first);
	TRY("the first fragment", FFA_SHARE, length, first);
	return wants_more(first);
}

static void fragment(u64 h, u32 from, u32 to, u32 length)
{
	memcpy(tx, descriptor + from, to - from);
	TRY("a fragment", FFA_FRAG_TX, (u32)h, h >> 32, to - from);
	u64 got = to == length ? handle() : wants_more(to);
	require(got == h, "the same handle");
}

static void fragments(const struct test *t)
{
	(void)t;
	u32 n = prepare(600);
	u64 h = begin(n, PAGE);
	fragment(h, PAGE, 2 * PAGE, n);
	fragment(h, 2 * PAGE, n, n);
	taken("sharing a page of the first fragment", BUF + 2 * PAGE * 599);
	taken("sharing a page of the last fragment", BUF);
	released("sharing a page in between", BUF + PAGE, 1);
	reclaim(h);
	released("sharing after the reclaim", BUF, 1200);
}

static void fragments_of_one(const struct test *t)
{
	(void)t;
	u32 n = prepare(5);
	u64 h = begin(n, AT_RANGE);
	for (u32 at = AT_RANGE; at < n; at += 16)
		fragment(h, at, at + 16, n);
	reclaim(h);
	released("sharing after the reclaim", BUF, 10);
}

static void fragments_between(const struct test *t)
{
	(void)t;
	u32 n = prepare(3);
	u64 h = begin(n, AT_RANGE + 16);
	info_size_is("records", 24);
	reclaim(share(BUF + 64 * PAGE, 1));
	alive();
	fragment(h, AT_RANGE + 16, n, n);
	reclaim(h);
}

static void fragments_upper(const struct test *t)
{
	(void)t;
	u32 n = prepare(3), first = AT_RANGE + 16;
	u64 h = begin(n, first);
	memcpy(tx, descriptor + first, n - first);
	TRY("FFA_MEM_FRAG_TX with bits above", FFA_FRAG_TX, HIGH | (u32)h, HIGH | h >> 32, HIGH | (n - first), HIGH);
	require(handle() == h, "the same handle");
	reclaim(h);
}

static void fragments_incomplete(const struct test *t)
{
	(void)t;
	u32 n = prepare(3), first = AT_RANGE + 16;
	u64 h = begin(n, first);
	gone("reclaim of an incomplete transaction", h);
	/* The refusal may have ended the transfer. */
	memcpy(tx, descriptor + first, n - first);
	TRY("the rest", FFA_FRAG_TX, (u32)h, h >> 32, n - first);
	if (!is_error())
		reclaim(handle());
	else
		refused(CODE(INVALID));
}

/* a: which registers; b: codes */
static void fragment_refused(const struct test *t)
{
	u32 n = prepare(8), first = AT_RANGE + 16;
	u64 h = begin(n, first), name = t->a == 0 ? h + 1 : t->a == 1 ? 0 : h;
	memcpy(tx, descriptor + first, n - first);
	TRY("FFA_MEM_FRAG_TX", FFA_FRAG_TX, (u32)name, name >> 32, t->a <= 1 ? n - first : t->a == 2 ? 0 : t->a == 3 ? n - first + 16 : t->a);
	refused((u32)t->b);
	released("sharing after the refusal", BUF, 16);
	memcpy(tx, descriptor + first, n - first);
	TRY("the rest", FFA_FRAG_TX, (u32)h, h >> 32, n - first);
	if (!is_error())
		reclaim(handle());
	else
		refused(CODE(INVALID));
}

/* Reclaim. */
static void reclaim_twice(const struct test *t)
{
	(void)t;
	u64 h = share(BUF, 1), l;
	reclaim(h);
	gone("a second reclaim", h);
	l = lend(POOL, 1);
	reclaim(l);
	gone("a second reclaim", l);
}

static void reclaim_old(const struct test *t)
{
	(void)t;
	u64 old = share(BUF, 1);
	reclaim(old);
	u64 h = share(BUF, 1);
	if (h == old)
		skip("the target gives handles again");
	gone("reclaim of the first handle", old);
	taken("sharing the page", BUF);
	reclaim(h);
}

static void reclaim_unknown(const struct test *t)
{
	(void)t;
	u64 h = share(BUF, 1);
	u64 wrong[] = { 0, 1, h + 1, h ^ 1ul << 40, h | 1ul << 63, h | 1ul << 48, ~0ul, ~0ul - 1 };
	for (u32 i = 0; i < COUNT(wrong); i++)
		if (wrong[i] != h)
			gone("reclaim of another handle", wrong[i]);
	taken("sharing the page", BUF);
	reclaim(h);
}

static void reclaim_swapped(const struct test *t)
{
	(void)t;
	u64 h = share(BUF, 1), swapped = h >> 32 | h << 32;
	if (swapped != h)
		gone("reclaim with the halves swapped", swapped);
	reclaim(h);
}

static void reclaim_upper(const struct test *t)
{
	(void)t;
	u64 h = share(BUF, 1);
	TRY("FFA_MEM_RECLAIM with bits above", FFA_RECLAIM, HIGH | (u32)h, HIGH | h >> 32, HIGH, HIGH, HIGH, HIGH, HIGH);
	success(0);
	gone("a second reclaim", h);
}

static void reclaim_flags(const struct test *t)
{
	(void)t;
	static const u32 flags[] = { 1, 2, 3, 4, 0x80000000 };
	u64 h = share(BUF, 1);
	for (u32 i = 0; i < COUNT(flags); i++) {
		TRY("FFA_MEM_RECLAIM with flags", FFA_RECLAIM, (u32)h, h >> 32, flags[i]);
		refused(CODE(INVALID));
	}
	taken("sharing the page", BUF);
	reclaim(h);
}

static void reclaim_reserved(const struct test *t)
{
	(void)t;
	u64 h = share(BUF, 1);
	for (u32 i = 4; i < 8; i++) {
		TRY("FFA_MEM_RECLAIM with w4 to w7", FFA_RECLAIM, (u32)h, h >> 32, 0, i == 4, i == 5, i == 6, i == 7);
		refused(CODE(INVALID));
	}
	reclaim(h);
}

static void reclaim_used(const struct test *t)
{
	open_session();
	for (u64 i = 0; i < t->a; i++)
		reclaim_refused("reclaim of the page with the arguments", arg_handle, CODE(DENIED));
	u32 session = open_session();
	new_message(CMD_CLOSE, 0)->session = session;
	message("CLOSE_SESSION after the refusal", 0);
}

static void retrieve_by_lender(const struct test *t)
{
	(void)t;
	u64 h = lend(POOL, 4);
	fill((u64)rx, PAGE);
	for (u64 width = 0; width < 2; width++) {
		u32 n = build_one(LEND, POOL, 4) - 32;
		put64(tx + 8, h);
		put16(tx + AT_EMAD, 0);
		put32(tx + AT_EMAD + 4, 0);
		TRY("FFA_MEM_RETRIEVE_REQ by the lender", width ? FFA_RETRIEVE : FFA_RETRIEVE & ~(1ul << 30), n, n);
		refused(EITHER | CODE(NOT_SUPPORTED));
	}
	filled("RX after the refusal", (u64)rx, PAGE);
	reclaim(h);
}

static void relinquish_by_lender(const struct test *t)
{
	(void)t;
	struct pool p = protect(POOL, POOL_SIZE, VIDEO);
	for (u32 i = 0; i < 2; i++) {
		memset(tx, 0, 32);
		put64(tx, p.handle);
		put32(tx + 12, 1);
		put16(tx + 16, i ? optee_id : 0);
		TRY("FFA_MEM_RELINQUISH by the lender", FFA_RELINQUISH);
		refused(EITHER | CODE(NOT_SUPPORTED));
	}
	reclaim_refused("reclaim of a pool that is in use", p.handle, CODE(DENIED));
	unprotect(p);
}

#define SHARE_RULE   MEM("FFA_MEM_SHARE")
#define LEND_RULE    MEM("FFA_MEM_LEND")
#define FRAG_RULE    MEM("FFA_MEM_FRAG_TX")
#define RECLAIM_RULE MEM("FFA_MEM_RECLAIM")
#define BAD_FRAGMENT(n, what, codes) { "fragment-" n, FRAG_RULE, fragment_refused, 0, what, codes, 0, 0 }
const struct test memory_tests[] = {
	{ .name = "share", .rule = SHARE_RULE, .run = share_one },
	{ .name = "share-smc32", .rule = SHARE_RULE, .run = send_smc32, .a = SHARE },
	{ .name = "share-keeps-contents", .rule = SHARE_RULE, .run = keeps_contents },
	{ .name = "share-takes-pages", .rule = MEM("Memory region state machine, FFA_MEM_SHARE"), .run = takes_pages },
	{ .name = "share-ranges", .rule = SHARE_RULE, .run = share_ranges },
	{ .name = "share-adjacent-ranges", .rule = SHARE_RULE, .run = adjacent_ranges },
	{ .name = "share-full-page-of-ranges", .rule = SHARE_RULE, .run = full_page },
	{ .name = "share-64-times", .rule = MEM("Memory region handle"), .run = many_times },
	{ .name = "share-gap-behind-header", .rule = MEM("Memory transaction descriptor"), .run = gap },
	{ .name = "share-gap-before-composite", .rule = MEM("Endpoint memory access descriptor"), .run = gap, .a = 1 },
	{ .name = "share-implementation-defined", .rule = MEM("Endpoint memory access descriptor"), .run = implementation_defined, .needs = NEED_FFA12 },
	{ .name = "share-leaves-tx", .rule = FFA("RX and TX buffers"), .run = leaves_tx },
	{ .name = "share-layout-1.2-16", .rule = MEM("Memory transaction descriptor"), .run = layout, .needs = NEED_FFA12, .a = SHARE, .b = 16 },
	{ .name = "lend-layout-1.2-16", .rule = MEM("Memory transaction descriptor"), .run = layout, .needs = NEED_FFA12, .a = LEND, .b = 16 },
	{ .name = "share-layout-1.2-32", .rule = MEM("Memory transaction descriptor"), .run = layout, .needs = NEED_FFA12, .a = SHARE, .b = 32 },
	{ .name = "lend-layout-1.2-32", .rule = MEM("Memory transaction descriptor"), .run = layout, .needs = NEED_FFA12, .a = LEND, .b = 32 },
	{ .name = "lend", .rule = LEND_RULE, .run = lend_one, .needs = POOLS, .a = POOL_PAGES },
	{ .name = "lend-smc32", .rule = LEND_RULE, .run = send_smc32, .needs = POOLS, .a = LEND },
	{ .name = "lend-one-page", .rule = LEND_RULE, .run = lend_one, .needs = POOLS, .a = 1 },
	{ .name = "lend-takes-pages", .rule = MEM("Memory region state machine, FFA_MEM_LEND"), .run = lend_takes, .needs = POOLS },
	{ .name = "lend-other-order", .rule = LEND_RULE, .run = lend_other_order, .needs = POOLS },
	{ .name = "lend-then-share-then-lend", .rule = MEM("Memory region state machine"), .run = lend_share_lend, .needs = POOLS },
	{ .name = "lend-until-refused", .rule = FFA("FFA_ERROR, NO_MEMORY"), .run = lend_until_refused, .needs = POOLS },
	{ .name = "donate", .rule = MEM("FFA_MEM_DONATE"), .run = donate },
	{ .name = "fragments", .rule = FRAG_RULE, .run = fragments },
	{ .name = "fragments-of-one-range", .rule = FRAG_RULE, .run = fragments_of_one },
	{ .name = "fragments-upper-halves", .rule = REGISTERS, .run = fragments_upper },
	{ .name = "fragments-calls-between", .rule = MEM("FFA_MEM_FRAG_RX"), .run = fragments_between },
	{ .name = "fragments-incomplete-reclaim", .rule = RECLAIM_RULE, .run = fragments_incomplete },
	{ .name = "reclaim-twice", .rule = RECLAIM_RULE, .run = reclaim_twice, .needs = POOLS },
	{ .name = "reclaim-old-handle", .rule = MEM("Memory region handle"), .run = reclaim_old },
	{ .name = "reclaim-unknown", .rule = RECLAIM_RULE, .run = reclaim_unknown },
	{ .name = "reclaim-words-swapped", .rule = RECLAIM_RULE, .run = reclaim_swapped },
	{ .name = "reclaim-upper-halves", .rule = REGISTERS, .run = reclaim_upper },
	{ .name = "reclaim-flags", .rule = RECLAIM_RULE, .run = reclaim_flags },
	{ .name = "reclaim-reserved-registers", .rule = RECLAIM_RULE, .run = reclaim_reserved },
	{ .name = "reclaim-while-used", .rule = RECLAIM_RULE, .run = reclaim_used, .a = 1 },
	{ .name = "reclaim-again-while-used", .rule = RECLAIM_RULE, .run = reclaim_used, .a = 5 },
	{ .name = "retrieve-by-lender", .rule = MEM("FFA_MEM_RETRIEVE_REQ"), .run = retrieve_by_lender, .needs = POOLS },
	{ .name = "relinquish-by-lender", .rule = MEM("FFA_MEM_RELINQUISH"), .run = relinquish_by_lender, .needs = POOLS },
};
const u32 nmemory_tests = COUNT(memory_tests);

/* Descriptors that are refused. Where two codes stand, Hafnium, OP-TEE and TF-A answer with different ones. */
enum base { NONE, HEADER, EMAD, COMPOSITE, RANGE };
struct fault {
	const char *name, *section;
	u32 kinds, codes;
	/* Up to three ranges instead of the two pages of BUF. */
	struct range ranges[3];
	/* A field that is changed: where, its offset, its bytes, its value; -1: the bits are set in addition. */
	enum base base;
	u8 offset;
	int8_t bytes;
	u64 value;
	void (*before)(void);
};

static void take_share(void) { share(SIDE, 1); }
static void take_lend(void) { lend(SIDE, 1); }
static void take_arg(void) { open_session(); }
static void foreign_id(void) { put16(tx, free_id()); }
static void foreign_receiver(void) { put16(tx + AT_EMAD, free_id()); }
static void self_to_self(void) { put16(tx, optee_id); }

#define BOTH (KIND(SHARE) | KIND(LEND))
#define HEAD_TEXT "Memory transaction descriptor"
#define EMAD_TEXT "Endpoint memory access descriptor"
#define COMP_TEXT "Composite memory region descriptor"
#define PERM_TEXT "Memory access permissions descriptor"
#define ATTR_TEXT "Memory region attributes descriptor"
#define FLAG_TEXT "Flags usage"
#define STATE_TEXT "Memory region state machine"
#define FIELD(n, section, kinds, codes, base, offset, bytes, value) { n, section, kinds, codes, { { 0, 0 } }, base, offset, bytes, value, NULL }
#define AT(n, section, codes, addr, pages) { n, section, BOTH, codes, { { addr, pages } }, NONE, 0, 0, 0, NULL }
static const struct fault faults[] = {
	{ "spoofed-secure-sender", HEAD_TEXT, BOTH, CODE(DENIED), { { 0, 0 } }, NONE, 0, 0, 0, foreign_id },
	FIELD("spoofed-vm-sender", HEAD_TEXT, BOTH, EITHER, HEADER, 0, 2, 3),
	FIELD("spoofed-spmc-sender", HEAD_TEXT, BOTH, EITHER, HEADER, 0, 2, 0x8000),
	{ "sender-is-receiver", EMAD_TEXT, BOTH, EITHER, { { 0, 0 } }, NONE, 0, 0, 0, self_to_self },
	{ "receiver-unknown", EMAD_TEXT, BOTH, CODE(INVALID), { { 0, 0 } }, NONE, 0, 0, 0, foreign_receiver },
	FIELD("receiver-is-spmc", EMAD_TEXT, BOTH, EITHER, EMAD, 0, 2, 0x8000),
	FIELD("receiver-is-sender", EMAD_TEXT, BOTH, EITHER, EMAD, 0, 2, 0),
	FIELD("receiver-is-vm", EMAD_TEXT, BOTH, EITHER, EMAD, 0, 2, 2),
	FIELD("handle-given", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 8, 8, 7),
	FIELD("reserved-word", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 36, 4, 1),
	FIELD("reserved-last-word", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 44, 4, 1u << 31),
	FIELD("emad-size-zero", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 24, 4, 0),
	FIELD("emad-size-odd", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 24, 4, 24),
	FIELD("emad-size-huge", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 24, 4, 0x80000000),
	FIELD("emad-count-too-large", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 28, 4, 2),
	FIELD("emad-count-huge", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 28, 4, 0xffffffff),
	FIELD("emad-count-overflow", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 28, 4, 0x08000000),
	FIELD("emad-offset-in-header", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 32, 4, 16),
	FIELD("emad-offset-misaligned", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 32, 4, 52),
	FIELD("emad-offset-huge", HEAD_TEXT, BOTH, CODE(INVALID), HEADER, 32, 4, 0xfffffff0),
	FIELD("unknown-flag", FLAG_TEXT, BOTH, CODE(INVALID), HEADER, 4, 4, 1 << 20),
	FIELD("retrieve-flag", FLAG_TEXT, BOTH, CODE(INVALID), HEADER, 4, 4, 1 << 2),
	FIELD("other-type-flag", FLAG_TEXT, BOTH, CODE(INVALID), HEADER, 4, 4, 3 << 3),
	FIELD("zero-flag", FLAG_TEXT, KIND(SHARE), CODE(INVALID), HEADER, 4, 4, 1),
	FIELD("non-secure-attribute", ATTR_TEXT, BOTH, CODE(INVALID), HEADER, 2, -1, 1 << 6),
	FIELD("reserved-attribute", ATTR_TEXT, BOTH, CODE(INVALID), HEADER, 3, -1, 1 << 1),
	FIELD("reserved-attribute-7", ATTR_TEXT, BOTH, CODE(INVALID), HEADER, 2, -1, 1 << 7),
	FIELD("reserved-memory-type", ATTR_TEXT, BOTH, EITHER, HEADER, 2, 2, 0x3f),
	FIELD("non-cacheable", ATTR_TEXT, KIND(SHARE), EITHER, HEADER, 2, 2, 0x27),
	FIELD("outer-shareable", ATTR_TEXT, KIND(SHARE), EITHER, HEADER, 2, 2, 0x2e),
	FIELD("device-memory", ATTR_TEXT, KIND(SHARE), EITHER, HEADER, 2, 2, 0x10),
	FIELD("no-memory-type", ATTR_TEXT, KIND(SHARE), EITHER, HEADER, 2, 2, 0),
	FIELD("memory-type-given", ATTR_TEXT, KIND(LEND), CODE(INVALID), HEADER, 2, 2, 0x2f),
	FIELD("no-permissions", PERM_TEXT, BOTH, CODE(INVALID), EMAD, 2, 1, 0),
	FIELD("reserved-permission", PERM_TEXT, BOTH, CODE(INVALID), EMAD, 2, 1, 3),
	FIELD("read-only", PERM_TEXT, BOTH, EITHER, EMAD, 2, 1, 1),
	FIELD("executable", PERM_TEXT, BOTH, CODE(INVALID), EMAD, 2, 1, 2 | 2 << 2),
	FIELD("not-executable", PERM_TEXT, BOTH, CODE(INVALID), EMAD, 2, 1, 2 | 1 << 2),
	FIELD("reserved-permission-bits", PERM_TEXT, BOTH, CODE(INVALID), EMAD, 2, 1, 0x12),
	FIELD("emad-flags", EMAD_TEXT, BOTH, CODE(INVALID), EMAD, 3, 1, 1),
	FIELD("composite-missing", EMAD_TEXT, BOTH, CODE(INVALID), EMAD, 4, 4, 0),
	FIELD("composite-in-emad", EMAD_TEXT, BOTH, CODE(INVALID), EMAD, 4, 4, 52),
	FIELD("composite-misaligned", EMAD_TEXT, BOTH, CODE(INVALID), EMAD, 4, 4, 84),
	FIELD("composite-huge", EMAD_TEXT, BOTH, CODE(INVALID), EMAD, 4, 4, 0xfffffff0),
	FIELD("composite-reserved", COMP_TEXT, BOTH, CODE(INVALID), COMPOSITE, 8, 8, 1),
	FIELD("page-count-too-large", COMP_TEXT, BOTH, CODE(INVALID), COMPOSITE, 0, 4, 3),
	FIELD("page-count-too-small", COMP_TEXT, BOTH, CODE(INVALID), COMPOSITE, 0, 4, 1),
	FIELD("page-count-zero", COMP_TEXT, BOTH, CODE(INVALID), COMPOSITE, 0, 4, 0),
	FIELD("range-count-zero", COMP_TEXT, BOTH, CODE(INVALID), COMPOSITE, 4, 4, 0),
	FIELD("range-count-too-large", COMP_TEXT, BOTH, CODE(INVALID), COMPOSITE, 4, 4, 2),
	FIELD("range-count-huge", COMP_TEXT, BOTH, CODE(INVALID) | CODE(NO_MEMORY), COMPOSITE, 4, 4, 0x10000001),
	{ "zero-pages", COMP_TEXT, BOTH, CODE(INVALID), { { BUF, 0 } }, NONE, 0, 0, 0, NULL },
	{ "zero-pages-among-others", COMP_TEXT, BOTH, CODE(INVALID), { { BUF, 2 }, { BUF + 8 * PAGE, 0 } }, NONE, 0, 0, 0, NULL },
	{ "page-sum-overflow", COMP_TEXT, BOTH, EITHER, { { BUF, 1u << 31 }, { BUF + 8 * PAGE, 1u << 31 }, { BUF, 2 } }, COMPOSITE, 0, 4, 2, NULL },
	AT("page-count-overflow", COMP_TEXT, EITHER, BUF, 1 << 20),
	AT("address-wraps", COMP_TEXT, EITHER, WILD, 2),
	AT("address-wraps-onto-memory", COMP_TEXT, EITHER, BUF - 0xfffffffful * PAGE, 0xffffffff),
	AT("address-misaligned", COMP_TEXT, CODE(INVALID), BUF + 0x800, 1),
	AT("address-odd", COMP_TEXT, CODE(INVALID), BUF + 1, 1),
	FIELD("range-reserved", COMP_TEXT, BOTH, CODE(INVALID), RANGE, 12, 4, 1),
	{ "ranges-overlap", COMP_TEXT, BOTH, CODE(INVALID), { { BUF, 4 }, { BUF + 3 * PAGE, 1 } }, NONE, 0, 0, 0, NULL },
	{ "ranges-repeated", COMP_TEXT, BOTH, CODE(INVALID), { { BUF, 1 }, { BUF + PAGE, 1 }, { BUF, 1 } }, NONE, 0, 0, 0, NULL },
	AT("device", STATE_TEXT, EITHER, DEVICE, 1),
	AT("address-zero", STATE_TEXT, EITHER, 0, 1),
	AT("wild-address", STATE_TEXT, EITHER, 0x7ffffffffffff000, 1),
	AT("sixteen-terabytes", STATE_TEXT, EITHER, BUF, 0xffffffff),
	AT("secure-memory", STATE_TEXT, EITHER, SECURE_RAM, 1),
	{ "already-shared", STATE_TEXT, BOTH, EITHER, { { SIDE - PAGE, 2 } }, NONE, 0, 0, 0, take_share },
	{ "already-lent", STATE_TEXT, BOTH, EITHER, { { SIDE, 2 } }, NONE, 0, 0, 0, take_lend },
	{ "already-shared-second-range", STATE_TEXT, BOTH, EITHER, { { BUF, 2 }, { SIDE, 1 } }, NONE, 0, 0, 0, take_share },
	{ "tx", STATE_TEXT, BOTH, EITHER, { { (u64)tx, 1 } }, NONE, 0, 0, 0, NULL },
	{ "rx", STATE_TEXT, BOTH, EITHER, { { (u64)rx, 1 } }, NONE, 0, 0, 0, NULL },
	{ "argument-page", STATE_TEXT, BOTH, EITHER, { { (u64)arg, 1 } }, NONE, 0, 0, 0, take_arg },
};

static void run_fault(const struct test *t)
{
	const struct fault *f = (const struct fault *)t->a;
	enum kind k = (enum kind)t->b;
	fill(BUF, 16 * PAGE);
	bool prepares = f->before == take_share || f->before == take_lend || f->before == take_arg;
	if (prepares)
		f->before();
	struct range r[3] = { { BUF, 2 } };
	u32 n = 1;
	if (f->ranges[0].addr || f->ranges[0].pages) {
		memcpy(r, f->ranges, sizeof r);
		n = r[2].addr ? 3 : r[1].addr ? 2 : 1;
	}
	u32 length = build(k, r, n);
	if (f->before && !prepares)
		f->before();
	u8 *p = tx + f->offset + (f->base == EMAD ? AT_EMAD : f->base == COMPOSITE ? AT_COMPOSITE : f->base == RANGE ? AT_RANGE : 0);
	switch (f->bytes) {
	case -1: *p |= (u8)f->value; break;
	case 1: *p = (u8)f->value; break;
	case 2: put16(p, f->value); break;
	case 4: put32(p, f->value); break;
	case 8: put64(p, f->value); break;
	}
	send(t->name, k, length);
	refused(f->codes);
	filled("memory after the refusal", BUF, 16 * PAGE);
	released("sharing after the refusal", BUF, 16);
	if (k == LEND)
		reclaim(lend(BUF, 2));
}

/* Registers that do not fit each other or the descriptor of one range, whose length is L; b: codes. */
#define L 0x10000ul
static u64 length_in(u64 v, u32 length) { return v >= L / 2 && v < 2 * L ? v - L + length : v; }

struct registers {
	const char *name;
	u32 codes;
	u64 w[7];
};
static const struct registers bad_registers[] = {
	{ "fragment-longer-than-total", CODE(INVALID), { L, L + 16 } },
	{ "no-fragment", CODE(INVALID), { L, 0 } },
	{ "no-length", CODE(INVALID), { 0, 0 } },
	{ "header-cut", CODE(INVALID), { L, 32 } },
	{ "total-too-short", CODE(INVALID), { L - 16, L - 16 } },
	{ "total-too-long", CODE(INVALID), { L + 16, L + 16 } },
	{ "total-too-long-in-parts", CODE(INVALID), { L + 16, L } },
	{ "total-huge", CODE(INVALID) | CODE(NO_MEMORY), { 0xfffffff0, L } },
	{ "longer-than-tx", EITHER, { 8192, 8192 } },
	{ "odd-fragment", CODE(INVALID), { L, L - 12 } },
	{ "pages-without-buffer", CODE(INVALID), { L, L, 0, 1 } },
	{ "buffer-without-pages", CODE(INVALID), { L, L, SIDE, 0 } },
	{ "buffer-misaligned", CODE(INVALID), { L, L, SIDE + 8, 1 } },
	{ "buffer-not-memory", EITHER | CODE(ABORTED), { L, L, DEVICE, 1 } },
	{ "w5", CODE(INVALID), { L, L, 0, 0, 1 } },
	{ "w6", CODE(INVALID), { L, L, 0, 0, 0, 1 } },
	{ "w7", CODE(INVALID), { L, L, 0, 0, 0, 0, 1 } },
};

static void run_registers(const struct test *t)
{
	const struct registers *x = (const struct registers *)t->a;
	enum kind k = (enum kind)t->b;
	fill(BUF, 4 * PAGE);
	u32 n = build_one(k, BUF, 2);
	for (u32 width = 0; width < 2; width++) {
		const u64 *w = x->w;
		TRY(t->name, function_of(k) & ~((u64)width << 30), length_in(w[0], n), length_in(w[1], n), w[2], w[3], w[4], w[5], w[6]);
		refused(x->codes);
	}
	filled("memory after the refusal", BUF, 4 * PAGE);
	released("sharing after the refusal", BUF, 2);
}

static const struct test fragment_tests[] = {
	BAD_FRAGMENT("other-handle", 0, CODE(INVALID)),
	BAD_FRAGMENT("handle-zero", 1, CODE(INVALID)),
	BAD_FRAGMENT("empty", 2, CODE(INVALID)),
	BAD_FRAGMENT("too-long", 3, CODE(INVALID)),
	BAD_FRAGMENT("longer-than-tx", 2 * PAGE, EITHER),
	BAD_FRAGMENT("huge", 0xfffffff0, EITHER),
	BAD_FRAGMENT("odd", 40, CODE(INVALID)),
};

enum { NEGATIVE_MAX = 256, NAME_MAX = 48, RULE_MAX = 64 };
static struct test made[NEGATIVE_MAX];
static char names[NEGATIVE_MAX][NAME_MAX], rules[NEGATIVE_MAX][RULE_MAX];

const struct test *negative_tests(u32 *count)
{
	static const char *const kinds[] = { "share", "lend" };
	static const char *const sections[] = { "FFA_MEM_SHARE", "FFA_MEM_LEND" };
	u32 n = 0;
	for (u32 i = 0; i < COUNT(faults) + COUNT(bad_registers); i++)
		for (u32 k = SHARE; k <= LEND; k++) {
			const struct fault *f = i < COUNT(faults) ? &faults[i] : NULL;
			const struct registers *r = f ? NULL : &bad_registers[i - COUNT(faults)];
			if (f && !(f->kinds & KIND(k)))
				continue;
			format_to(names[n], NAME_MAX, "%s-%s", kinds[k], f ? f->name : r->name);
			format_to(rules[n], RULE_MAX, "DEN0140, %s", f ? f->section : sections[k]);
			u32 needs = k == LEND || (f && f->before == take_lend) ? POOLS : 0;
			made[n] = (struct test){ names[n], rules[n], f ? run_fault : run_registers, needs, f ? (u64)f : (u64)r, k, 0, 0 };
			n++;
		}
	for (u32 i = 0; i < COUNT(fragment_tests); i++)
		made[n++] = fragment_tests[i];
	*count = n;
	return made;
}
