#include "lend.h"

NOINIT u8 arena[POOL_MAX + 2 * MIB] __attribute__((aligned(MIB)));
u64 pool_size = MIB;

bool pool_at_least(u64 least)
{
	bool fits = least <= POOL_MAX && least % PAGE == 0;
	if (fits && least > pool_size)
		pool_size = least;
	return step(fits, "setup", "config-least", "up-to-16MiB", fits ? "up-to-16MiB" : "other", "bytes=%lu", least);
}

struct access {
	u64 addr, value;
};
typedef void accessor(void *);
accessor load64, load32, load8, load_pair, load_exclusive, load_vector, load_add, store64, zero_line, execute;

/* Depends on the address, is never zero and differs in each byte lane. */
static u64 pattern(u64 addr) { return (addr * 0x9e3779b97f4a7c15) | 0x0101010101010101; }

#define GUARD_BELOW (POOL - 8)
#define GUARD_ABOVE (POOL + pool_size)

void lend_prepare(void)
{
	mmu_tables();
	for (u64 i = 1; i < 4; i++)
		mmu_l1[i] = (mmu_l1[i] & ~(u64)PTE_ATTR) | PTE_UNCACHED;
	mmu_enable();
}

bool step_is(const char *phase, const char *name, bool ok, const char *want, const char *saw)
{
	return step(ok, phase, name, want, saw, "%s", "");
}

bool step_hex(const char *phase, const char *name, u64 want, u64 got)
{
	char expect[24], saw[24];
	format_to(expect, sizeof expect, "%lx", want);
	format_to(saw, sizeof saw, "%lx", got);
	return step_is(phase, name, want == got, expect, saw);
}

/* PL080 (DDI 0196, 3.3), channel 0. */
enum { DMA = 0x0b100000, DMA_RAW_TC = 0x014, DMA_TC_CLEAR = 0x008, DMA_ERROR_CLEAR = 0x010, DMA_RAW_ERROR = 0x018, DMA_ENABLED = 0x01c,
	DMA_CONFIG = 0x030, DMA_SRC = 0x100, DMA_DST = 0x104, DMA_LLI = 0x108, DMA_CONTROL = 0x10c, DMA_CHANNEL = 0x110, DMA_ID = 0xfe0 };
/* Word accesses, bursts of 4, both addresses count up, terminal count reported. */
enum { DMA_CONTROL_COPY = 1 << 12 | 1 << 15 | 2 << 18 | 2 << 21 | 1 << 26 | 1 << 27 };
#define DMA_CONTROL_TC (1u << 31)
enum { DMA_CHANNEL_ENABLE = 1, DMA_CHANNEL_ERROR = 1 << 14, DMA_CHANNEL_TC = 1 << 15 };
enum { DMA_WORDS = PAGE / 4 };
enum dma { DMA_DONE, DMA_FAILED, DMA_STUCK };

static enum dma dma_copy(u64 to, u64 from)
{
	mmio_write(DMA + DMA_CONFIG, 1);
	mmio_write(DMA + DMA_TC_CLEAR, 1);
	mmio_write(DMA + DMA_ERROR_CLEAR, 1);
	mmio_write(DMA + DMA_SRC, (u32)from);
	mmio_write(DMA + DMA_DST, (u32)to);
	mmio_write(DMA + DMA_LLI, 0);
	mmio_write(DMA + DMA_CONTROL, DMA_CONTROL_COPY | DMA_CONTROL_TC | DMA_WORDS);
	dsb();
	mmio_write(DMA + DMA_CHANNEL, DMA_CHANNEL_ENABLE | DMA_CHANNEL_ERROR | DMA_CHANNEL_TC);
	enum dma result = DMA_STUCK;
	for (u32 i = 0; i < 10000000 && result == DMA_STUCK; i++) {
		if (mmio_read(DMA + DMA_RAW_ERROR) & 1)
			result = DMA_FAILED;
		else if (mmio_read(DMA + DMA_RAW_TC) & 1)
			result = DMA_DONE;
	}
	mmio_write(DMA + DMA_CHANNEL, 0);
	mmio_write(DMA + DMA_TC_CLEAR, 1);
	mmio_write(DMA + DMA_ERROR_CLEAR, 1);
	dsb();
	return result;
}

static void dma_id(void *arg)
{
	u32 *cell = arg;
	for (u32 i = 0; i < 4; i++)
		*cell |= (mmio_read(DMA + DMA_ID + 16 + 4 * i) & 0xff) << (8 * i);
}

static bool have_dma;
static NOINIT u64 bounce[PAGE / 8] __attribute__((aligned(PAGE)));

enum { MARK = 0xa5 };

/* Copies one page of the pool out and says what arrived. */
static const char *dma_out(u64 offset, bool *leaked)
{
	memset(bounce, MARK, sizeof bounce);
	enum dma result = dma_copy((u64)bounce, POOL + offset);
	u32 same = 0, zero = 0, mark = 0;
	for (u32 i = 0; i < PAGE / 8; i++) {
		same += bounce[i] == pattern(POOL + offset + 8 * i);
		zero += bounce[i] == 0;
		mark += bounce[i] == MARK * 0x0101010101010101ul;
	}
	*leaked = same || zero + mark != PAGE / 8;
	if (result == DMA_STUCK)
		return "stuck";
	if (result == DMA_FAILED)
		return *leaked ? "leak" : "error";
	return same == PAGE / 8 ? "pattern" : zero == PAGE / 8 ? "zeros" : "other";
}

static void fill(u64 from, u64 to)
{
	for (u64 p = from; p < to; p += 8)
		*(volatile u64 *)p = pattern(p);
}

static void guards(const char *phase)
{
	const volatile u64 *below = (u64 *)GUARD_BELOW, *above = (u64 *)GUARD_ABOVE;
	step_is(phase, "neighbour-below", *below == pattern(GUARD_BELOW), "pattern", *below == pattern(GUARD_BELOW) ? "pattern" : "other");
	step_is(phase, "neighbour-above", *above == pattern(GUARD_ABOVE), "pattern", *above == pattern(GUARD_ABOVE) ? "pattern" : "other");
}

void probe_before(void)
{
	fill(GUARD_BELOW, GUARD_ABOVE + 8);
	u64 wrong = 0;
	for (u64 p = POOL; p < POOL + pool_size; p += 8)
		wrong += *(volatile u64 *)p != pattern(p);
	step_is("before", "cpu-read", wrong == 0, "pattern", wrong ? "other" : "pattern");

	u32 cell = 0;
	struct frame f;
	have_dma = !trap(dma_id, &cell, &f) && cell == 0xb105f00d;
	step_is("before", "dma-present", have_dma, "pl080", have_dma ? "pl080" : "nothing");
	if (!have_dma)
		return;
	bool leaked;
	const char *saw = dma_out(PAGE, &leaked);
	step_is("before", "dma-read", equal(saw, "pattern"), "pattern", saw);
	for (u32 i = 0; i < PAGE / 8; i++)
		bounce[i] = pattern(POOL + 2 * PAGE + 8 * i);
	memset((void *)(POOL + 2 * PAGE), 0, PAGE);
	enum dma result = dma_copy(POOL + 2 * PAGE, (u64)bounce);
	bool ok = result == DMA_DONE && memcmp((void *)(POOL + 2 * PAGE), bounce, PAGE) == 0;
	step_is("before", "dma-write", ok, "data", ok ? "data" : "other");
}

/* A refusal is a synchronous external abort at the address (or an SError after a store), or, where the controller answers
 * OKAY, zeros. */
enum { EC_IABORT = 0x21, EC_DABORT = 0x25, FSC_EXTERNAL = 0x10 };

static bool is_external(const struct frame *f, u32 ec) { return ESR_EC(f->esr) == ec && (f->esr & 0x3f) == FSC_EXTERNAL; }

static void denied(const char *phase, const char *name, accessor *access, u64 addr, u64 value, bool write)
{
	struct access a = { addr, value };
	struct frame f;
	__asm__ volatile("msr daifclr, #4" : : : "memory");
	bool trapped = trap(access, &a, &f);
	__asm__ volatile("isb; msr daifset, #4" : : : "memory");
	if (!trapped) {
		bool none = write || a.value == 0;
		step_is(phase, name, none, "denied", write ? "ignored" : none ? "zeros" : "data");
		return;
	}
	if ((f.kind & 3) == 3) {
		step(write, phase, name, "denied", "serror", "esr=0x%lx", f.esr);
		return;
	}
	if (access == execute && ESR_EC(f.esr) == 0 && f.elr == addr) {
		step_is(phase, name, true, "denied", "zeros"); /* an instruction word of zero is UDF #0 */
		return;
	}
	bool ok = is_external(&f, access == execute ? EC_IABORT : EC_DABORT) && f.far == addr &&
		(access == execute || !!(f.esr & 1 << 6) == write);
	step(ok, phase, name, "denied", ok ? "abort" : "other", "esr=0x%lx far=0x%lx", f.esr, f.far);
}

void probe_still_denied(const char *phase) { denied(phase, "cpu-read", load64, POOL + 0x800, 0, false); }

void probe_denied(const char *phase)
{
	denied(phase, "cpu-read", load64, POOL, 0, false);
	denied(phase, "cpu-read-middle", load32, POOL + pool_size / 2 + 4, 0, false);
	denied(phase, "cpu-read-last", load8, POOL + pool_size - 1, 0, false);
	denied(phase, "cpu-read-pair", load_pair, POOL + 0x100, 0, false);
	denied(phase, "cpu-read-exclusive", load_exclusive, POOL + 0x200, 0, false);
	denied(phase, "cpu-read-vector", load_vector, POOL + 0x300, 0, false);
	if (sysreg_read("id_aa64isar0_el1") >> 20 & 0xf) {
		/* An atomic both reads and writes, so WnR is not looked at. */
		struct access a = { POOL + 0x400, 0 };
		struct frame f = { .esr = 0 };
		bool trapped = trap(load_add, &a, &f);
		bool ok = trapped ? is_external(&f, EC_DABORT) && f.far == a.addr : a.value == 0;
		step(ok, phase, "cpu-atomic", "denied", !ok ? "other" : trapped ? "abort" : "zeros", "esr=0x%lx", f.esr);
	}
	/* Half of these eight bytes lie before the pool. FAR may have either half's address. */
	struct access a = { POOL - 4, 0 };
	struct frame f = { .esr = 0 };
	bool trapped = trap(load64, &a, &f);
	bool ok = trapped ? is_external(&f, EC_DABORT) && (f.far == POOL || f.far == POOL - 4) : a.value == pattern(GUARD_BELOW) >> 32;
	step(ok, phase, "cpu-read-straddle", "denied", !ok ? "other" : trapped ? "abort" : "zeros", "esr=0x%lx", f.esr);
	denied(phase, "cpu-execute", execute, POOL + 0x500, 0, false);
	denied(phase, "cpu-write", store64, POOL + 0x600, 0x1122334455667788, true);
	denied(phase, "cpu-write-last", store64, POOL + pool_size - 8, 0x1122334455667788, true);
	denied(phase, "cpu-zero", zero_line, POOL + 0x1000, 0, true);
	guards(phase);
	if (!have_dma)
		return;
	bool leaked;
	const char *saw = dma_out(PAGE, &leaked);
	step_is(phase, "dma-read", !leaked && !equal(saw, "stuck"), "denied", saw);
	/* A copy that begins before the pool must not bring anything from behind its start. */
	memset(bounce, MARK, sizeof bounce);
	enum dma result = dma_copy((u64)bounce, POOL - PAGE / 2);
	u32 clean = 0;
	for (u32 i = PAGE / 16; i < PAGE / 8; i++)
		clean += bounce[i] == 0 || bounce[i] == MARK * 0x0101010101010101ul;
	leaked = clean != PAGE / 16;
	step_is(phase, "dma-straddle", !leaked && result != DMA_STUCK, "denied", leaked ? "leak" : result == DMA_FAILED ? "error" : result == DMA_DONE ? "zeros" : "stuck");
	memset(bounce, 0x5a, sizeof bounce);
	result = dma_copy(POOL + PAGE, (u64)bounce);
	step_is(phase, "dma-write", result != DMA_STUCK, "denied", result == DMA_FAILED ? "error" : result == DMA_DONE ? "ignored" : "stuck");
}

void probe_after(void)
{
	u64 wrong = 0;
	for (u64 p = POOL; p < POOL + pool_size; p += 8)
		wrong += *(volatile u64 *)p != 0;
	step_is("after", "cpu-read", wrong == 0, "zeros", wrong ? "data" : "zeros");
	wrong = 0;
	guards("after");
	fill(POOL, POOL + pool_size);
	for (u64 p = POOL; p < POOL + pool_size; p += 8)
		wrong += *(volatile u64 *)p != pattern(p);
	step_is("after", "cpu-write", wrong == 0, "pattern", wrong ? "other" : "pattern");
	if (!have_dma)
		return;
	bool leaked;
	const char *saw = dma_out(3 * PAGE, &leaked);
	step_is("after", "dma-read", equal(saw, "pattern"), "pattern", saw);
	memset(bounce, 0x3c, sizeof bounce);
	bool ok = dma_copy(POOL + 4 * PAGE, (u64)bounce) == DMA_DONE && memcmp((void *)(POOL + 4 * PAGE), bounce, PAGE) == 0;
	step_is("after", "dma-write", ok, "data", ok ? "data" : "other");
}
