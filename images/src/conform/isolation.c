/* What processors and a DMA controller of the normal world can reach of memory that they lent (DDI 0504). */
#include "conform.h"

struct access {
	u64 addr, value;
};

/* A refusal is a synchronous external abort, or an SError after a store, or, where the controller answers OKAY, zeros. */
enum { EC_INSTRUCTION = 0x21, EC_DATA = 0x25, FSC_EXTERNAL = 0x10 };

static void denied(const char *what, accessor *access, u64 addr, bool write)
{
	struct access a = { addr, write ? 0xff : 0 };
	struct frame f;
	doing = what;
	__asm__ volatile("msr daifclr, #4" : : : "memory");
	bool trapped = trap(access, &a, &f);
	__asm__ volatile("isb; msr daifset, #4" : : : "memory");
	if (!trapped) {
		if (!write && a.value)
			reject("an abort or zeros at 0x%lx, not 0x%lx", addr, a.value);
		chose(write ? "ignored" : "zeros");
		return;
	}
	if ((f.kind & 3) == 3 && write) {
		chose("SError");
		return;
	}
	/* An instruction word of zero is UDF #0. */
	if (access == execute && ESR_EC(f.esr) == 0 && f.elr == addr) {
		chose("zeros");
		return;
	}
	u32 want = access == execute ? EC_INSTRUCTION : EC_DATA;
	if (ESR_EC(f.esr) != want || (f.esr & 0x3f) != FSC_EXTERNAL)
		reject("an external abort at 0x%lx, not ESR 0x%lx FAR 0x%lx", addr, f.esr, f.far);
	chose("abort");
}

/* Memory that is filled, and lent: closed at its edges, open beside them. */
static void closed(u64 addr, u64 size)
{
	const u64 at[] = { addr, addr + PAGE - 8, addr + size / 2, addr + size - PAGE, addr + size - 8 };
	for (u32 i = 0; i < COUNT(at); i++) {
		denied("a write to lent memory", store64, at[i], true);
		denied("a byte read from lent memory", load8, at[i], false);
		denied("a read from lent memory", load64, at[i], false);
	}
	denied("the last byte of lent memory", load8, addr + size - 1, false);
	filled("the page before", addr - PAGE, PAGE);
	filled("the page behind", addr + size, PAGE);
	fill(addr - PAGE, PAGE);
	fill(addr + size, PAGE);
}

static void probe_all(u64 addr)
{
	denied("a 32-bit read from lent memory", load32, addr + 4, false);
	denied("a pair read from lent memory", load_pair, addr + 0x100, false);
	denied("an exclusive read from lent memory", load_exclusive, addr + 0x200, false);
	denied("DC ZVA on lent memory", zero_line, addr + 0x400, true);
	denied("a byte write to lent memory", store8, addr + 0x500, true);
}

static void ready(u64 addr, u64 size) { fill(addr - PAGE, size + 2 * PAGE); }

/* The memory is the normal world's again: it can be read and written, and the pages beside it are as they were. Whether it was
 * cleared on the way is the platform's. */
static void returned(u64 addr, u64 size)
{
	struct access a;
	struct frame f;
	u64 kept_words = 0;
	for (u64 p = addr; p < addr + size; p += PAGE) {
		a = (struct access){ p, 0 };
		doing = "a read of memory that came back";
		if (trap(load64, &a, &f))
			reject("no abort at 0x%lx; ESR 0x%lx", p, f.esr);
		kept_words += a.value != 0;
	}
	filled("the page before", addr - PAGE, PAGE);
	filled("the page behind", addr + size, PAGE);
	fill(addr, size);
	filled("memory that came back and was written", addr, size);
	doing = "memory that came back";
	chose(kept_words ? "held what it had" : "zeros");
}

/* a: address, b: size, c: use case */
static void pool_case(const struct test *t)
{
	ready(t->a, t->b);
	struct pool p = protect(t->a, t->b, t->c);
	closed(t->a, t->b);
	if (t->d)
		probe_all(t->a);
	unprotect(p);
	returned(t->a, t->b);
}

/* Where it is open, the pattern is executed as an instruction, so this comes last. */
static void pool_execute(const struct test *t)
{
	pool_case(t);
	ready(t->a, t->b);
	struct pool p = protect(t->a, t->b, t->c);
	denied("executing lent memory", execute, t->a + 0x300, false);
	unprotect(p);
}

static void neighbours(const struct test *t)
{
	(void)t;
	enum { SIZE = 4 * PAGE };
	struct pool p[3];
	ready(POOL, 3 * SIZE);
	for (u64 i = 0; i < 3; i++)
		p[i] = protect(POOL + i * SIZE, SIZE, VIDEO);
	closed(POOL, 3 * SIZE);
	unprotect(p[1]);
	fill(POOL + SIZE, SIZE);
	filled("the one in the middle", POOL + SIZE, SIZE);
	denied("a read from the first", load64, POOL + SIZE - 8, false);
	denied("a read from the third", load64, POOL + 2 * SIZE, false);
	unprotect(p[0]);
	denied("a read from the third", load64, POOL + 2 * SIZE, false);
	unprotect(p[2]);
	returned(POOL, 3 * SIZE);
}

static void reuse(const struct test *t)
{
	(void)t;
	for (u32 i = 0; i < 3; i++) {
		ready(POOL, 8 * PAGE);
		struct pool p = protect(POOL, 8 * PAGE, VIDEO);
		closed(POOL, 8 * PAGE);
		unprotect(p);
		returned(POOL, 8 * PAGE);
	}
}

static void shared_open(const struct test *t)
{
	(void)t;
	ready(BUF + PAGE, 4 * PAGE);
	struct shared s = share_buffer(BUF + PAGE, 4);
	filled("memory that is shared", BUF, 6 * PAGE);
	fill(BUF, 6 * PAGE);
	unshare(s);
	filled("memory that is not shared any more", BUF, 6 * PAGE);
}

static void lend_protects(const struct test *t)
{
	(void)t;
	ready(POOL, POOL_SIZE);
	u64 h = lend(POOL, POOL_PAGES);
	closed(POOL, POOL_SIZE);
	reclaim(h);
	returned(POOL, POOL_SIZE);
}

static void release_keeps(const struct test *t)
{
	(void)t;
	ready(POOL, POOL_SIZE);
	struct pool p = protect(POOL, POOL_SIZE, VIDEO);
	release(p.handle);
	closed(POOL, POOL_SIZE);
	reclaim(p.handle);
	returned(POOL, POOL_SIZE);
}

static void denied_reclaim_keeps(const struct test *t)
{
	(void)t;
	ready(POOL, POOL_SIZE);
	struct pool p = protect(POOL, POOL_SIZE, VIDEO);
	reclaim_refused("reclaim before the release", p.handle, CODE(DENIED));
	closed(POOL, POOL_SIZE);
	unprotect(p);
	returned(POOL, POOL_SIZE);
}

static void unregister_keeps(const struct test *t)
{
	(void)t;
	ready(POOL, POOL_SIZE);
	struct pool p = protect(POOL, POOL_SIZE, VIDEO);
	doing = "UNREGISTER_SHM of a pool";
	request(UNREGISTER_SHM, (u32)p.handle, p.handle >> 32, 0, 0);
	closed(POOL, POOL_SIZE);
}

static void rx_cannot_be_aimed(const struct test *t)
{
	(void)t;
	send("FFA_MEM_LEND of RX", LEND, build_one(LEND, (u64)rx, 1));
	refused(CODE(DENIED) | CODE(INVALID));
	info_size_is("records in RX", 24);
}

static void secure_ram(const struct test *t)
{
	(void)t;
	denied("a read from secure RAM", load64, SECURE_RAM, false);
	denied("a read from secure RAM", load8, SECURE_RAM + 0xfff, false);
	denied("a write to secure RAM", store64, SECURE_RAM, true);
}

/* Calls that are refused while memory is lent; a says which. */
static void refused_call(const struct test *t)
{
	const u32 either = CODE(DENIED) | CODE(INVALID);
	ready(POOL, POOL_SIZE);
	u64 h = lend(POOL, POOL_PAGES);
	switch (t->a) {
	case 0:
		send("FFA_MEM_LEND of lent memory", LEND, build_one(LEND, POOL, POOL_PAGES));
		refused(either);
		break;
	case 1:
		send("FFA_MEM_SHARE of lent memory", SHARE, build_one(SHARE, POOL + PAGE, 1));
		refused(either);
		break;
	case 2:
		send("FFA_MEM_LEND around lent memory", LEND, build_one(LEND, POOL - PAGE, POOL_PAGES + 2));
		refused(either);
		break;
	case 3:
		gone("reclaim of another handle", h + 1);
		gone("reclaim of another handle", h ^ 1ul << 40);
		break;
	case 4:
		TRY("reclaim with flags", FFA_RECLAIM, (u32)h, h >> 32, 1);
		refused(either);
		break;
	case 5:
		unmap_buffers();
		TRY("FFA_RXTX_MAP of lent memory", FFA_RXTX_MAP, (u64)tx, POOL, 1);
		refused(either);
		break;
	case 6: {
		u64 page = POOL;
		over_smc = true;
		new_register(new_cookie(), 0, PAGE, &page, 1);
		message("REGISTER_SHM of lent memory", TEE_BAD_PARAMETERS);
		over_smc = false;
		break;
	}
	case 7: {
		u32 code = with_address("a message in lent memory", 0x32000012, POOL);
		require(code == 4 || code == 5, "a0 = EBADADDR");
		break;
	}
	case 8:
		TRY("CPU_ON in lent memory", PSCI_CPU_ON, mpidr[1], POOL, 0);
		result(CODE(PSCI_BAD_ADDRESS));
		break;
	}
	closed(POOL, POOL_SIZE);
	reclaim(h);
	returned(POOL, POOL_SIZE);
}

/* PL080 (DDI 0196, 3.3), channel 0: words, bursts of 4, both addresses count up. */
enum { DMA = 0x0b100000, DMA_TC_CLEAR = 0x008, DMA_ERROR_CLEAR = 0x010, DMA_RAW_TC = 0x014, DMA_RAW_ERROR = 0x018, DMA_CONFIG = 0x030,
	DMA_SRC = 0x100, DMA_DST = 0x104, DMA_LLI = 0x108, DMA_CONTROL = 0x10c, DMA_CHANNEL = 0x110, DMA_CELL = 0xff0 };
#define DMA_COPY (1u << 12 | 1u << 15 | 2u << 18 | 2u << 21 | 1u << 26 | 1u << 27 | 1u << 31)

static void dma_cell(void *arg)
{
	u32 *cell = arg;
	for (u32 i = 0; i < 4; i++)
		*cell |= (mmio_read(DMA + DMA_CELL + 4 * i) & 0xff) << (8 * i);
}

void find_dma(void)
{
	u32 cell = 0;
	struct frame f;
	have_dma = !trap(dma_cell, &cell, &f) && cell == 0xb105f00d;
}

/* Copies a page; whether the controller reports that all went well. */
static bool dma_copy(u64 to, u64 from)
{
	mmio_write(DMA + DMA_CONFIG, 1);
	mmio_write(DMA + DMA_TC_CLEAR, 1);
	mmio_write(DMA + DMA_ERROR_CLEAR, 1);
	mmio_write(DMA + DMA_SRC, (u32)from);
	mmio_write(DMA + DMA_DST, (u32)to);
	mmio_write(DMA + DMA_LLI, 0);
	mmio_write(DMA + DMA_CONTROL, DMA_COPY | PAGE / 4);
	dsb();
	mmio_write(DMA + DMA_CHANNEL, 1 | 1 << 14 | 1 << 15);
	bool done = false, error = false;
	for (u32 i = 0; i < 10000000 && !done && !error; i++) {
		error = mmio_read(DMA + DMA_RAW_ERROR) & 1;
		done = mmio_read(DMA + DMA_RAW_TC) & 1;
	}
	mmio_write(DMA + DMA_CHANNEL, 0);
	mmio_write(DMA + DMA_TC_CLEAR, 1);
	mmio_write(DMA + DMA_ERROR_CLEAR, 1);
	dsb();
	require(done || error, "that the transfer ends");
	return done && !error;
}

/* BUF receives what is copied; its own pattern may stay, what lent memory held must not come. */
static void nothing_of(u64 from, u64 at, u64 size)
{
	for (u64 i = 0; i < size; i += 8) {
		u64 v = *(volatile u64 *)(at + i);
		if (v == pattern(from) * 0x0101010101010101ul)
			reject("nothing of lent memory, not 0x%lx in its copy", v);
	}
}

static void dma_works(const struct test *t)
{
	(void)t;
	doing = "a transfer in open memory";
	fill(BUF, 2 * PAGE);
	require(dma_copy(BUF + PAGE, BUF), "that it succeeds");
	require(*(volatile u64 *)(BUF + 2 * PAGE - 8) == *(volatile u64 *)BUF, "the data");
}

static void dma_out(const struct test *t)
{
	(void)t;
	ready(POOL, POOL_SIZE);
	u64 h = lend(POOL, POOL_PAGES);
	fill(BUF, PAGE);
	doing = "a transfer out of lent memory";
	chose(dma_copy(BUF, POOL + PAGE) ? "zeros" : "error");
	nothing_of(POOL + PAGE, BUF, PAGE);
	reclaim(h);
}

static void dma_across(const struct test *t)
{
	(void)t;
	ready(POOL, POOL_SIZE);
	u64 h = lend(POOL, POOL_PAGES);
	fill(BUF, PAGE);
	doing = "a transfer that runs into lent memory";
	chose(dma_copy(BUF, POOL - PAGE / 2) ? "zeros" : "error");
	nothing_of(POOL, BUF + PAGE / 2, PAGE / 2);
	reclaim(h);
}

/* Where the memory is cleared on the way back this tells nothing about the write; the controller's report then does, unless
 * refusals are silent. */
static void dma_into(const struct test *t)
{
	(void)t;
	ready(POOL, POOL_SIZE);
	u64 h = lend(POOL, POOL_PAGES);
	fill(BUF, PAGE);
	doing = "a transfer into lent memory";
	bool ok = dma_copy(POOL + PAGE, BUF);
	chose(ok ? "ignored" : "error");
	reclaim(h);
	doing = "memory that came back";
	require(*(volatile u64 *)(POOL + PAGE) != *(volatile u64 *)BUF, "nothing of the transfer");
}

static void dma_after(const struct test *t)
{
	(void)t;
	ready(POOL, POOL_SIZE);
	reclaim(lend(POOL, POOL_PAGES));
	fill(BUF, PAGE);
	doing = "a transfer into memory that came back";
	require(dma_copy(POOL + PAGE, BUF), "that it succeeds");
	require(*(volatile u64 *)(POOL + PAGE) == *(volatile u64 *)BUF, "the data");
}

static void dma_secure(const struct test *t)
{
	(void)t;
	fill(BUF, PAGE);
	doing = "a transfer out of secure RAM";
	bool ok = dma_copy(BUF, SECURE_RAM);
	chose(ok ? "zeros" : "error");
	for (u64 i = 0; i < PAGE; i += 8) {
		u64 v = *(volatile u64 *)(BUF + i);
		if (v != 0 && v != pattern(BUF) * 0x0101010101010101ul)
			reject("zeros or an error, not 0x%lx", v);
	}
}

#define OVER_FFA  (NEED_FFA | LINUX | POOLS)
#define SMC_POOLS (NEED_SMC | OVER_SMC | POOLS)
#define ID_ACCESS TZC("REGION_ID_ACCESS")
#define EDGES     TZC("REGION_BASE and REGION_TOP")
#define POOL_TESTS(abi, needs_) \
	{ abi "-secure-video", ID_ACCESS, pool_execute, needs_, POOL, POOL_SIZE, VIDEO, 1 }, \
	{ abi "-trusted-ui", ID_ACCESS, pool_case, needs_, POOL, POOL_SIZE, TRUSTED_UI, 0 }, \
	{ abi "-one-page", EDGES, pool_case, needs_, POOL, PAGE, VIDEO, 0 }, \
	{ abi "-odd-pages", EDGES, pool_case, needs_, POOL + 3 * PAGE, 5 * PAGE, VIDEO, 0 }, \
	{ abi "-four-megabytes", EDGES, pool_case, needs_, POOL, 4 * MIB, VIDEO, 0 }, \
	{ abi "-neighbour-pools", TZC("Region overlap"), neighbours, needs_, 0, 0, 0, 0 }, \
	{ abi "-reuse", ID_ACCESS, reuse, needs_, 0, 0, 0, 0 }, \
	{ abi "-shared-stays-open", MEM("FFA_MEM_SHARE"), shared_open, (needs_) & ~(u32)POOLS, 0, 0, 0, 0 }
#define REFUSED(n, rule, which, more) { "refused-" n, rule, refused_call, OVER_FFA | (more), which, 0, 0, 0 }
const struct test isolation_tests[] = {
	POOL_TESTS("ffa", OVER_FFA),
	POOL_TESTS("smc", SMC_POOLS),
	{ .name = "ffa-lend-protects", .rule = MEM("FFA_MEM_LEND"), .run = lend_protects, .needs = OVER_FFA },
	{ .name = "ffa-release-keeps-protection", .rule = "optee_ffa.h, OPTEE_FFA_RELEASE_PROTMEM", .run = release_keeps, .needs = OVER_FFA },
	{ .name = "ffa-denied-reclaim-keeps-protection", .rule = MEM("FFA_MEM_RECLAIM"), .run = denied_reclaim_keeps, .needs = OVER_FFA },
	{ .name = "ffa-unregister-keeps-protection", .rule = "optee_ffa.h, OPTEE_FFA_UNREGISTER_SHM", .run = unregister_keeps, .needs = OVER_FFA },
	{ .name = "ffa-retrieved-rx-cannot-be-aimed", .rule = FFA("FFA_RXTX_MAP"), .run = rx_cannot_be_aimed, .needs = OVER_FFA },
	{ .name = "secure-ram", .rule = TZC("Security state of transactions"), .run = secure_ram },
	REFUSED("lend-again", MEM("FFA_MEM_LEND"), 0, 0),
	REFUSED("share", MEM("FFA_MEM_SHARE"), 1, 0),
	REFUSED("lend-around", MEM("FFA_MEM_LEND"), 2, 0),
	REFUSED("wrong-handle", MEM("FFA_MEM_RECLAIM"), 3, 0),
	REFUSED("reclaim-with-flags", MEM("FFA_MEM_RECLAIM"), 4, 0),
	REFUSED("rxtx-map", FFA("FFA_RXTX_MAP"), 5, 0),
	REFUSED("register", "optee_msg.h, OPTEE_MSG_CMD_REGISTER_SHM", 6, NEED_SMC),
	REFUSED("message-in-it", "optee_smc.h, OPTEE_SMC_CALL_WITH_ARG", 7, NEED_SMC),
	REFUSED("entry-point", PSCI("CPU_ON"), 8, NEED_CPUS),
	{ .name = "dma-works", .rule = "DDI 0196, Memory-to-memory transfer", .run = dma_works, .needs = NEED_DMA },
	{ .name = "dma-into-pool", .rule = ID_ACCESS, .run = dma_into, .needs = OVER_FFA | NEED_DMA },
	{ .name = "dma-out-of-pool", .rule = ID_ACCESS, .run = dma_out, .needs = OVER_FFA | NEED_DMA },
	{ .name = "dma-across-boundary", .rule = ID_ACCESS, .run = dma_across, .needs = OVER_FFA | NEED_DMA },
	{ .name = "dma-after-reclaim", .rule = ID_ACCESS, .run = dma_after, .needs = OVER_FFA | NEED_DMA },
	{ .name = "dma-secure-ram", .rule = TZC("Security state of transactions"), .run = dma_secure, .needs = NEED_DMA },
};
const u32 nisolation_tests = COUNT(isolation_tests);
