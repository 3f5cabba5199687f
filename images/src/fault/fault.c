/*
 * Takes each kind of synchronous exception on purpose and compares ESR, FAR, ELR and the vector with what the Arm ARM
 * (DDI 0487, D17.2.37 ESR_EL1, D1.3 exceptions, D8 VMSA) says.
 */
#include "rt.h"

enum { EC_UNKNOWN = 0x00, EC_WFX = 0x01, EC_FP = 0x07, EC_ILLEGAL = 0x0e, EC_SVC = 0x15, EC_HVC = 0x16, EC_SYSREG = 0x18,
	EC_IABORT_LOWER = 0x20, EC_IABORT = 0x21, EC_PC = 0x22, EC_DABORT_LOWER = 0x24, EC_DABORT = 0x25, EC_SP = 0x26, EC_BRK = 0x3c };

/* Fault status codes; those of the first four have the level of the walk in the low two bits. */
enum { FSC_SIZE = 0x00, FSC_TRANSLATION = 0x04, FSC_ACCESS = 0x08, FSC_PERMISSION = 0x0c, FSC_EXTERNAL = 0x10, FSC_EXTERNAL_WALK = 0x14,
	FSC_ALIGNMENT = 0x21, WNR = 1 << 6 };

/* ISS of a trapped FP instruction or WFI from AArch64: CV set, COND always. */
enum { ISS_CONDITION = 0x1e00000 };

#define ESR(ec, iss) ((u32)(ec) << 26 | 1u << 25 | (u32)(iss))
#define SYSREG(op0, op1, crn, crm, op2, rt, read) ((op0) << 20 | (op2) << 17 | (op1) << 14 | (crn) << 10 | (rt) << 5 | (crm) << 1 | (read))

enum { SYNC_SP0 = 0, SYNC_SPX = 4, SYNC_LOWER = 8 };

/* Nothing is at HOLE on the virt board; SECURE_RAM is the secure world's, or nothing. */
#define HOLE       0x0a800000ul
#define SECURE_RAM 0x0e000000ul
#define NO_FAR     1ul

typedef void function(void *);
#define SNIPPET(name) extern function f_##name; extern const char at_##name[]
SNIPPET(none);
SNIPPET(udf);
SNIPPET(unallocated);
SNIPPET(hcr);
SNIPPET(midr);
SNIPPET(hlt);
SNIPPET(svc);
SNIPPET(brk);
SNIPPET(load);
SNIPPET(load32);
SNIPPET(load8);
SNIPPET(store);
SNIPPET(load_exclusive);
SNIPPET(load_acquire);
SNIPPET(fp);
SNIPPET(jump);
SNIPPET(hvc);
SNIPPET(svc_sp0);
SNIPPET(sp);
SNIPPET(illegal);
SNIPPET(illegal_il);
function f_user;
extern const char user_code[], user_code_end[];
extern const char u_svc[], u_brk[], u_load[], u_store[], u_jump[], u_sctlr[], u_hvc[], u_smc[], u_eret[], u_daif[], u_cntvct[], u_ctr[], u_zva[],
	u_wfi[], u_fp[];

static const char *class_name(u32 esr)
{
	switch (ESR_EC(esr)) {
	case EC_UNKNOWN: return "undefined";
	case EC_WFX: return "wfx";
	case EC_FP: return "fp-trap";
	case EC_ILLEGAL: return "illegal-state";
	case EC_SVC: return "svc";
	case EC_HVC: return "hvc";
	case EC_SYSREG: return "sysreg";
	case EC_IABORT_LOWER: return "inst-abort-el0";
	case EC_IABORT: return "inst-abort";
	case EC_PC: return "pc-alignment";
	case EC_DABORT_LOWER: return "data-abort-el0";
	case EC_DABORT: return "data-abort";
	case EC_SP: return "sp-alignment";
	case EC_BRK: return "brk";
	}
	return "other";
}

/* Runs fn(arg) and compares. far NO_FAR: not defined for this exception. */
static struct frame check(const char *phase, const char *name, function *fn, u64 arg, u32 esr, u64 far, u64 elr, unsigned vector)
{
	struct frame f;
	char expect[40], saw[40], detail[120] = "";
	format_to(expect, sizeof expect, "%s/%08x", class_name(esr), esr);
	if (!trap(fn, (void *)arg, &f)) {
		step(false, phase, name, expect, "none", "%s", "");
		f.kind = ~0ul;
		return f;
	}
	format_to(saw, sizeof saw, "%s/%08x", class_name((u32)f.esr), (u32)f.esr);
	bool ok = f.esr == esr && f.elr == elr && f.kind == vector && (far == NO_FAR || f.far == far);
	if (far != NO_FAR && (far < 0x40000000 || far >= 0x80000000))
		format_to(detail, sizeof detail, "far=%lx", f.far);
	if (f.kind != vector)
		format_to(detail, sizeof detail, "vector=%lu instead of %u", f.kind, vector);
	else if (f.elr != elr)
		format_to(detail, sizeof detail, "elr=%lx instead of %lx", f.elr, elr);
	else if (far != NO_FAR && f.far != far)
		format_to(detail, sizeof detail, "far=%lx instead of %lx", f.far, far);
	step(ok, phase, name, expect, saw, "%s", detail);
	return f;
}

#define AT(name) ((u64)at_##name)
#define CHECK(phase, text, name, arg, esr, far) check(phase, text, f_##name, arg, esr, far, AT(name), SYNC_SPX)

static void check_none(const char *phase, const char *name, function *fn, u64 arg)
{
	struct frame f;
	char saw[40] = "none";
	bool trapped = trap(fn, (void *)arg, &f);
	if (trapped)
		format_to(saw, sizeof saw, "%s/%08x", class_name((u32)f.esr), (u32)f.esr);
	step(!trapped, phase, name, "none", saw, "%s", "");
}

static void check_flag(const char *phase, const char *name, const char *expect, bool ok)
{
	step(ok, phase, name, expect, ok ? expect : "other", "%s", "");
}

/* Instructions that fault by themselves. */
static void instructions(void)
{
	check("inst", "udf", f_udf, 0, ESR(EC_UNKNOWN, 0), NO_FAR, AT(udf), SYNC_SPX);
	CHECK("inst", "unallocated", unallocated, 0, ESR(EC_UNKNOWN, 0), NO_FAR);
	CHECK("inst", "el2-register", hcr, 0, ESR(EC_UNKNOWN, 0), NO_FAR);
	CHECK("inst", "write-read-only", midr, 0, ESR(EC_UNKNOWN, 0), NO_FAR);
	CHECK("inst", "hlt", hlt, 0, ESR(EC_UNKNOWN, 0), NO_FAR);
	check("inst", "svc", f_svc, 0, ESR(EC_SVC, 0x1234), NO_FAR, AT(svc) + 4, SYNC_SPX);
	check("inst", "svc-sp0", f_svc_sp0, 0, ESR(EC_SVC, 0x55), NO_FAR, AT(svc_sp0) + 4, SYNC_SP0);
	CHECK("inst", "brk", brk, 0, ESR(EC_BRK, 0xabcd), NO_FAR);
	check("inst", "pc-alignment", f_jump, AT(none) + 2, ESR(EC_PC, 0), AT(none) + 2, AT(none) + 2, SYNC_SPX);
	CHECK("inst", "sp-alignment", sp, 0, ESR(EC_SP, 0), NO_FAR);
	struct frame f = CHECK("inst", "illegal-return", illegal, 0, ESR(EC_ILLEGAL, 0), NO_FAR);
	check_flag("inst", "illegal-return-spsr", "spsr.il", f.kind == SYNC_SPX && (f.spsr & 0x10001f) == 0x100005);
	CHECK("inst", "illegal-spsr-il", illegal_il, 0, ESR(EC_ILLEGAL, 0), NO_FAR);

	sysreg_write("cpacr_el1", 0);
	isb();
	CHECK("inst", "fp-disabled", fp, 0, ESR(EC_FP, ISS_CONDITION), NO_FAR);
	sysreg_write("cpacr_el1", 3 << 20);
	isb();
	check_none("inst", "fp-enabled", f_fp, 0);
}

/* Calls. What answers depends on the board: the announced conduit must, the other may be undefined. */
static void calls(void)
{
	check_flag("call", "conduit", "psci-version", (psci(PSCI_VERSION, 0, 0, 0) & 0xffff0000) != 0xffff0000);
	u64 r[18] = { PSCI_VERSION };
	struct frame f;
	bool trapped = trap((function *)(conduit == CONDUIT_SMC ? hvc18 : smc18), r, &f);
	bool ok = trapped ? f.esr == ESR(EC_UNKNOWN, 0) && f.kind == SYNC_SPX : true;
	check_flag("call", "other", "undefined-or-answer", ok);
	if (boot_el == 2) {
		u64 answer[2];
		f_hvc(answer);
		check_flag("call", "hvc-to-el2", "hvc/5a001234", answer[0] == ESR(EC_HVC, 0x1234) && answer[1] == AT(hvc) + 4);
	}
}

/* MMU off: all addresses are physical, all data is Device. */
static NOINIT u64 scratch[512] __attribute__((aligned(4096)));

static void mmu_off(void)
{
	CHECK("off", "hole-read", load, HOLE, ESR(EC_DABORT, FSC_EXTERNAL), HOLE);
	CHECK("off", "hole-read32", load32, HOLE + 4, ESR(EC_DABORT, FSC_EXTERNAL), HOLE + 4);
	CHECK("off", "hole-read8", load8, HOLE + 3, ESR(EC_DABORT, FSC_EXTERNAL), HOLE + 3);
	CHECK("off", "hole-write", store, HOLE, ESR(EC_DABORT, FSC_EXTERNAL | WNR), HOLE);
	check("off", "hole-fetch", f_jump, HOLE, ESR(EC_IABORT, FSC_EXTERNAL), HOLE, HOLE, SYNC_SPX);
	CHECK("off", "secure-ram-read", load, SECURE_RAM, ESR(EC_DABORT, FSC_EXTERNAL), SECURE_RAM);
	CHECK("off", "secure-ram-write", store, SECURE_RAM, ESR(EC_DABORT, FSC_EXTERNAL | WNR), SECURE_RAM);
	CHECK("off", "address-size", load, 0xf0000000000000, ESR(EC_DABORT, FSC_SIZE), 0xf0000000000000);
	/* Device memory wants alignment, but boards that run code built without -mstrict-align let it pass in RAM. */
	struct frame f;
	bool trapped = trap(f_load, (void *)((u64)scratch + 1), &f);
	check_flag("off", "unaligned", "alignment-or-pass", !trapped || (f.esr == ESR(EC_DABORT, FSC_ALIGNMENT) && f.far == (u64)scratch + 1));
	sysreg_write("sctlr_el1", SCTLR_OFF | 2);
	isb();
	CHECK("off", "unaligned-checked", load, (u64)scratch + 1, ESR(EC_DABORT, FSC_ALIGNMENT), (u64)scratch + 1);
	sysreg_write("sctlr_el1", SCTLR_OFF);
	isb();
}

/* The tables below the identity map. GiB(64) and what follows are entries of level 1, and so on. */
static NOINIT u64 level2[512] __attribute__((aligned(4096)));
static NOINIT u64 level3[512] __attribute__((aligned(4096)));
static NOINIT u8 user_page[4096] __attribute__((aligned(4096)));

#define RAM        0x40000000ul
#define FAR_AWAY   0x100000000ul /* 4 GiB: beyond a 32-bit PA */
#define L1(i)      ((64ul + (i)) << 30)
#define L2(i)      (L1(7) + ((u64)(i) << 21))
#define L3(i)      (L2(7) + ((u64)(i) << 12))
#define NORMAL     (PTE_NORMAL | PTE_INNER)
#define TOUCHED    (NORMAL | PTE_AF)

enum { UNMAPPED, NO_AF, READ_ONLY, NO_EXEC, BEYOND, WALK_HOLE, RESERVED_TYPE, TABLE, USER_CODE, USER_DATA, KERNEL_DATA, DEVICE_DATA, HOLE_DEVICE,
	HOLE_CODE };

static void build(void)
{
	mmu_tables();
	memset(level2, 0, sizeof level2);
	memset(level3, 0, sizeof level3);
	mmu_l0[2] = HOLE | PTE_TABLE;
	mmu_l0[3] = RAM | PTE_BLOCK | TOUCHED; /* no blocks at level 0 with a 4 KiB granule */

	u64 *l1 = mmu_l1 + 64;
	l1[NO_AF] = RAM | PTE_BLOCK | NORMAL;
	l1[READ_ONLY] = RAM | PTE_BLOCK | TOUCHED | PTE_RO;
	l1[NO_EXEC] = RAM | PTE_BLOCK | TOUCHED | PTE_PXN;
	l1[BEYOND] = FAR_AWAY | PTE_BLOCK | TOUCHED;
	l1[WALK_HOLE] = HOLE | PTE_TABLE;
	l1[TABLE] = (u64)level2 | PTE_TABLE;

	level2[NO_AF] = RAM | PTE_BLOCK | NORMAL;
	level2[READ_ONLY] = RAM | PTE_BLOCK | TOUCHED | PTE_RO;
	level2[NO_EXEC] = RAM | PTE_BLOCK | TOUCHED | PTE_PXN;
	level2[BEYOND] = FAR_AWAY | PTE_BLOCK | TOUCHED;
	level2[WALK_HOLE] = HOLE | PTE_TABLE;
	level2[TABLE] = (u64)level3 | PTE_TABLE;

	level3[NO_AF] = (u64)scratch | PTE_PAGE | NORMAL;
	level3[READ_ONLY] = (u64)scratch | PTE_PAGE | TOUCHED | PTE_RO;
	level3[NO_EXEC] = (u64)scratch | PTE_PAGE | TOUCHED | PTE_PXN;
	level3[BEYOND] = FAR_AWAY | PTE_PAGE | TOUCHED;
	level3[RESERVED_TYPE] = (u64)scratch | PTE_BLOCK | TOUCHED; /* type 0b01 is reserved at level 3 */
	level3[USER_CODE] = (u64)user_page | PTE_PAGE | TOUCHED | PTE_USER | PTE_RO;
	level3[USER_DATA] = (u64)scratch | PTE_PAGE | TOUCHED | PTE_USER | PTE_UXN;
	level3[KERNEL_DATA] = (u64)scratch | PTE_PAGE | TOUCHED | PTE_UXN;
	level3[DEVICE_DATA] = (u64)scratch | PTE_PAGE | PTE_DEVICE | PTE_AF;
	level3[HOLE_DEVICE] = HOLE | PTE_PAGE | PTE_DEVICE | PTE_AF;
	level3[HOLE_CODE] = HOLE | PTE_PAGE | TOUCHED;
}

static void read_and_write(const char *phase, const char *what, u64 va, u32 fsc)
{
	char name[40];
	format_to(name, sizeof name, "%s-read", what);
	CHECK(phase, name, load, va, ESR(EC_DABORT, fsc), va);
	format_to(name, sizeof name, "%s-write", what);
	CHECK(phase, name, store, va, ESR(EC_DABORT, fsc | WNR), va);
}

static void fetch(const char *phase, const char *what, u64 va, u32 fsc)
{
	char name[40];
	format_to(name, sizeof name, "%s-fetch", what);
	check(phase, name, f_jump, va, ESR(EC_IABORT, fsc), va, va, SYNC_SPX);
}

/* The faults that levels 1 to 3 have in common. base is the level's entry 0, size what an entry maps. */
static void level(unsigned n, u64 base, u64 size)
{
	char phase[4] = { 'l', (char)('0' + n), 0 };
	read_and_write(phase, "translation", base + UNMAPPED * size + 0x18, FSC_TRANSLATION + n);
	fetch(phase, "translation", base + UNMAPPED * size + 0x20, FSC_TRANSLATION + n);
	read_and_write(phase, "access-flag", base + NO_AF * size + 0x28, FSC_ACCESS + n);
	fetch(phase, "access-flag", base + NO_AF * size + 0x30, FSC_ACCESS + n);
	check_none(phase, "read-only-read", f_load, base + READ_ONLY * size);
	CHECK(phase, "permission-write", store, base + READ_ONLY * size + 0x38, ESR(EC_DABORT, (FSC_PERMISSION + n) | WNR),
	      base + READ_ONLY * size + 0x38);
	fetch(phase, "permission", base + NO_EXEC * size + 0x40, FSC_PERMISSION + n);
	read_and_write(phase, "address-size", base + BEYOND * size + 0x48, FSC_SIZE + n);
	if (n < 3)
		read_and_write(phase, "external-walk", base + WALK_HOLE * size + 0x50, FSC_EXTERNAL_WALK + n + 1);
}

static void mmu(void)
{
	build();
	mmu_enable();
	/* 32 bits of PA, for the address size faults: TCR_EL1.IPS = 0. */
	sysreg_write("tcr_el1", sysreg_read("tcr_el1") & ~(7ul << 32));
	isb();
	tlb_flush();

	read_and_write("l0", "translation", 1ul << 39, FSC_TRANSLATION);
	read_and_write("l0", "reserved-block", 3ul << 39, FSC_TRANSLATION);
	read_and_write("l0", "beyond-ttbr0", 1ul << 48, FSC_TRANSLATION);
	read_and_write("l0", "ttbr1-disabled", 0xffff000000001000, FSC_TRANSLATION);
	fetch("l0", "translation", 1ul << 39, FSC_TRANSLATION);
	read_and_write("l0", "external-walk", 2ul << 39, FSC_EXTERNAL_WALK + 1);
	level(1, L1(0), 1ul << 30);
	level(2, L2(0), 1ul << 21);
	level(3, L3(0), 1ul << 12);
	read_and_write("l3", "reserved-type", L3(RESERVED_TYPE), FSC_TRANSLATION + 3);
	fetch("l3", "user-writable", L3(USER_DATA), FSC_PERMISSION + 3);
	read_and_write("l3", "hole", L3(HOLE_DEVICE), FSC_EXTERNAL);
	fetch("l3", "hole", L3(HOLE_CODE), FSC_EXTERNAL);
}

static void alignment(void)
{
	scratch[0] = 0x0807060504030201;
	scratch[1] = 0x100f0e0d0c0b0a09;
	check_none("align", "normal", f_load, L3(KERNEL_DATA) + 3);
	u64 v;
	__asm__ volatile("ldr %0, [%1]" : "=r"(v) : "r"(L3(KERNEL_DATA) + 3) : "memory");
	check_flag("align", "normal-value", "0b0a090807060504", v == 0x0b0a090807060504);
	read_and_write("align", "device", L3(DEVICE_DATA) + 4, FSC_ALIGNMENT);
	CHECK("align", "exclusive", load_exclusive, L3(KERNEL_DATA) + 12, ESR(EC_DABORT, FSC_ALIGNMENT), L3(KERNEL_DATA) + 12);
	CHECK("align", "acquire", load_acquire, L3(KERNEL_DATA) + 12, ESR(EC_DABORT, FSC_ALIGNMENT), L3(KERNEL_DATA) + 12);
	u64 sctlr = sysreg_read("sctlr_el1");
	sysreg_write("sctlr_el1", sctlr | 2); /* SCTLR_EL1.A */
	isb();
	read_and_write("align", "checked", L3(KERNEL_DATA) + 3, FSC_ALIGNMENT);
	/* Alignment is checked before translation. */
	CHECK("align", "checked-unmapped", load, L3(UNMAPPED) + 3, ESR(EC_DABORT, FSC_ALIGNMENT), L3(UNMAPPED) + 3);
	sysreg_write("sctlr_el1", sctlr);
	isb();
}

/* Address translation instructions report the same faults in PAR_EL1 (D17.2.103) and take no exception. */
#define TRANSLATE(op, va) ({ u64 va_ = (va); __asm__ volatile("at " op ", %0; isb" : : "r"(va_) : "memory"); sysreg_read("par_el1"); })

static void check_par(const char *name, u64 par, u64 mask, u64 want)
{
	char expect[24], saw[24];
	format_to(expect, sizeof expect, "%lx", want);
	format_to(saw, sizeof saw, "%lx", par & mask);
	step((par & mask) == want, "at", name, (par & mask) == want && want > 0x1000 ? "address" : expect,
	     (par & mask) == want && want > 0x1000 ? "address" : saw, "%s", "");
}

static void translate(void)
{
	enum { F = 1, FST = 0x7e };
	const u64 address = 0xfffffffff001;
	check_par("el1-read", TRANSLATE("s1e1r", L3(READ_ONLY)), address, (u64)scratch);
	check_par("el1-write-read-only", TRANSLATE("s1e1w", L3(READ_ONLY)), FST | F, (FSC_PERMISSION + 3) << 1 | F);
	check_par("el1-unmapped", TRANSLATE("s1e1r", L2(UNMAPPED)), FST | F, (FSC_TRANSLATION + 2) << 1 | F);
	check_par("el0-user-data", TRANSLATE("s1e0w", L3(USER_DATA)), address, (u64)scratch);
	check_par("el0-kernel-data", TRANSLATE("s1e0r", L3(KERNEL_DATA)), FST | F, (FSC_PERMISSION + 3) << 1 | F);
}

static void user(const char *name, const char *code, u64 x1, u32 esr, u64 far, u64 offset)
{
	u64 pc = L3(USER_CODE) + (u64)(code - user_code);
	u64 arg[2] = { pc, x1 };
	struct frame f = check("el0", name, f_user, (u64)arg, esr, far, offset == ~0ul ? far : pc + offset, SYNC_LOWER);
	if (f.kind == SYNC_LOWER && (f.spsr & 0x1f))
		check_flag("el0", name, "spsr-el0t", false);
}

static void unprivileged(void)
{
	memcpy(user_page, user_code, (size_t)(user_code_end - user_code));
	for (u64 a = (u64)user_page; a < (u64)user_page + sizeof user_page; a += 16)
		__asm__ volatile("dc cvau, %0; dsb ish; ic ivau, %0" : : "r"(a) : "memory");
	dsb();
	isb();
	sysreg_write("cntkctl_el1", 0);
	sysreg_write("cpacr_el1", 1 << 20); /* EL0 may not use FP, EL1 may */
	/* SCTLR_EL1: UMA, UCT, DZE, nTWI and nTWE are 0. */
	isb();
	user("svc", u_svc, 0, ESR(EC_SVC, 7), NO_FAR, 4);
	user("brk", u_brk, 0, ESR(EC_BRK, 9), NO_FAR, 0);
	user("read-kernel", u_load, L3(KERNEL_DATA), ESR(EC_DABORT_LOWER, FSC_PERMISSION + 3), L3(KERNEL_DATA), 0);
	user("write-kernel", u_store, L3(KERNEL_DATA), ESR(EC_DABORT_LOWER, (FSC_PERMISSION + 3) | WNR), L3(KERNEL_DATA), 0);
	user("write-code", u_store, L3(USER_CODE), ESR(EC_DABORT_LOWER, (FSC_PERMISSION + 3) | WNR), L3(USER_CODE), 0);
	user("read-unmapped", u_load, L2(UNMAPPED), ESR(EC_DABORT_LOWER, FSC_TRANSLATION + 2), L2(UNMAPPED), 0);
	user("fetch-kernel", u_jump, L3(KERNEL_DATA), ESR(EC_IABORT_LOWER, FSC_PERMISSION + 3), L3(KERNEL_DATA), ~0ul);
	user("fetch-unmapped", u_jump, L1(UNMAPPED), ESR(EC_IABORT_LOWER, FSC_TRANSLATION + 1), L1(UNMAPPED), ~0ul);
	user("fetch-unaligned", u_jump, L3(USER_CODE) + 2, ESR(EC_PC, 0), L3(USER_CODE) + 2, ~0ul);
	user("el1-register", u_sctlr, 0, ESR(EC_UNKNOWN, 0), NO_FAR, 0);
	user("hvc", u_hvc, 0, ESR(EC_UNKNOWN, 0), NO_FAR, 0);
	user("smc", u_smc, 0, ESR(EC_UNKNOWN, 0), NO_FAR, 0);
	user("eret", u_eret, 0, ESR(EC_UNKNOWN, 0), NO_FAR, 0);
	user("daifset", u_daif, 0, ESR(EC_SYSREG, SYSREG(0, 3, 4, 2, 6, 31, 0)), NO_FAR, 0);
	user("cntvct", u_cntvct, 0, ESR(EC_SYSREG, SYSREG(3, 3, 14, 0, 2, 5, 1)), NO_FAR, 0);
	user("ctr", u_ctr, 0, ESR(EC_SYSREG, SYSREG(3, 3, 0, 0, 1, 5, 1)), NO_FAR, 0);
	user("dc-zva", u_zva, 0, ESR(EC_SYSREG, SYSREG(1, 3, 7, 4, 1, 5, 0)), NO_FAR, 0);
	user("wfi", u_wfi, 0, ESR(EC_WFX, ISS_CONDITION), NO_FAR, 0);
	user("fp", u_fp, 0, ESR(EC_FP, ISS_CONDITION), NO_FAR, 0);
}

int image_main(void)
{
	instructions();
	calls();
	mmu_off();
	mmu();
	alignment();
	translate();
	unprivileged();
	return verdict();
}
