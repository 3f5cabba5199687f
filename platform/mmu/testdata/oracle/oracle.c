// Executes the translations that a scenario lists and prints what the machine made of each.
//
// The scenario is at SCENARIO, all words of 64 bits: header, then per case the registers in the order of struct regs and its
// operations. One line per operation leaves on UART 0:
//   0 PAR       an AT instruction that wrote PAR_EL1
//   1 ESR       an AT instruction that was aborted to EL3
//   2           an access that completed, or ended otherwise than in an abort
//   3 ESR       an access that was aborted to EL1
//   4 ESR IPA   an access that was aborted to EL2, with HPFAR_EL2 << 8
//   5 ESR       an access that came back in another way

typedef unsigned long u64;

#define SCENARIO 0x44000000UL
#define UART0 ((volatile unsigned *)0x09000000UL)

struct header {
	u64 v81; // Armv8.1: TTBR1_EL2 and PSTATE.PAN exist
	u64 cases;
	u64 copy_from, copy_to, copy_bytes; // into memory that only Secure state reaches
};

struct regs {
	u64 scr_el3, hcr_el2;
	u64 sctlr_el1, tcr_el1, ttbr0_el1, ttbr1_el1, mair_el1, vbar_el1;
	u64 vtcr_el2, vttbr_el2;
	u64 sctlr_el2, tcr_el2, ttbr0_el2, ttbr1_el2, mair_el2;
	u64 sctlr_el3, tcr_el3, ttbr0_el3, mair_el3;
	u64 ops;
};

struct op {
	u64 code; // index into at_table, or one of the below
	u64 va;
	u64 probe; // virtual address of the probe to use, for loads
	u64 spsr;
};

enum { LOAD = 32, EXEC = 33 };

struct result {
	u64 value, aborted;
};

struct result at_run(u64 va, u64 op, u64 sctlr_el3);
u64 el1_run(u64 va, u64 pc, u64 spsr);

static void put(char c)
{
	*UART0 = c;
}

static void hex(u64 v)
{
	int i = 60;

	put(' ');
	while (i > 0 && !(v >> i))
		i -= 4;
	for (; i >= 0; i -= 4)
		put("0123456789abcdef"[v >> i & 15]);
}

#define write(reg, v) asm volatile("msr " reg ", %0" : : "r"((u64)(v)))
#define read(reg) ({ u64 v_; asm volatile("mrs %0, " reg : "=r"(v_) : : "memory"); v_; })

static void load(const struct regs *r, int v81)
{
	// TLB entries of a security state are dropped while it is the current one.
	write("scr_el3", r->scr_el3);
	write("sctlr_el1", r->sctlr_el1);
	write("tcr_el1", r->tcr_el1);
	write("ttbr0_el1", r->ttbr0_el1);
	write("ttbr1_el1", r->ttbr1_el1);
	write("mair_el1", r->mair_el1);
	write("vbar_el1", r->vbar_el1);
	write("hcr_el2", r->hcr_el2);
	write("vtcr_el2", r->vtcr_el2);
	write("vttbr_el2", r->vttbr_el2);
	write("sctlr_el2", r->sctlr_el2);
	write("tcr_el2", r->tcr_el2);
	write("ttbr0_el2", r->ttbr0_el2);
	if (v81)
		write("s3_4_c2_c0_1", r->ttbr1_el2);
	write("mair_el2", r->mair_el2);
	write("tcr_el3", r->tcr_el3);
	write("ttbr0_el3", r->ttbr0_el3);
	write("mair_el3", r->mair_el3);
	if (r->scr_el3 & 1) // UNDEFINED while EL2 is not enabled
		asm volatile("tlbi alle2" : : : "memory");
	asm volatile("isb\n\ttlbi alle1\n\ttlbi alle3\n\tic iallu\n\tdsb sy\n\tisb" : : : "memory");
}

static void execute(const struct regs *r, const struct op *o, int v81)
{
	struct result at;
	u64 esr;

	if (o->code < LOAD) {
		if (v81)
			write("s3_0_c4_c2_3", o->spsr & 1 << 22); // PSTATE.PAN
		at = at_run(o->va, o->code, r->sctlr_el3);
		put(at.aborted ? '1' : '0');
		hex(at.value);
		put('\n');
		return;
	}
	esr = el1_run(o->va, o->code == EXEC ? o->va : o->probe, o->spsr);
	switch (esr) {
	case 0x5e000000: // SMC #0
		put('2');
		break;
	case 0x5e000001: // SMC #1, from the vectors of EL1
		esr = read("esr_el1");
		if (esr >> 26 == 0x15 || esr >> 26 == 0) {
			put('2');
			break;
		}
		put('3');
		hex(esr);
		break;
	case 0x5e000002: // SMC #2, from the vectors of EL2
		put('4');
		hex(read("esr_el2"));
		hex(read("hpfar_el2") << 8);
		break;
	default:
		put('5');
		hex(esr);
	}
	put('\n');
}

void run(void)
{
	const struct header *h = (void *)SCENARIO;
	const u64 *p = (void *)(h + 1);
	u64 i, n;

	for (i = 0; i < h->copy_bytes; i += 8)
		*(volatile u64 *)(h->copy_to + i) = *(volatile u64 *)(h->copy_from + i);
	for (i = 0; i < h->cases; i++) {
		const struct regs *r = (void *)p;

		load(r, h->v81);
		p += sizeof *r / 8;
		for (n = 0; n < r->ops; n++, p += sizeof(struct op) / 8)
			execute(r, (void *)p, h->v81);
	}
}
