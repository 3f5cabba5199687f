// Runs the cases that the test generated and prints each exception that they take.

#include "runtime.h"

struct frame {
	u64 x[31], sp, elr, spsr, esr, far, vector, pstate;
};

extern char vectors_el1[], vectors_el2[], vectors_trap[];
void leave_program(u64 status);
void enter(const u64 *x, u64 pc, u64 spsr);

static const struct kase *current;
static u64 left; // exceptions that the current case may still resume from
static int active; // a case runs

static void put(char c)
{
	*(volatile unsigned *)0x09000000 = c;
}

void puts(const char *s)
{
	while (*s)
		put(*s++);
}

void hex(u64 v)
{
	int i = 60;

	while (i > 0 && !(v >> i))
		i -= 4;
	for (; i >= 0; i -= 4)
		put("0123456789abcdef"[v >> i & 15]);
}

void show(const char *name, u64 v)
{
	puts(" ");
	puts(name);
	puts("=");
	hex(v);
	puts("\n");
}

// Addresses of code depend on nothing but the image, but are easier to read as places in it.
static void address(u64 a)
{
	if (a - current->body < current->end - current->body) {
		puts("body+");
		a -= current->body;
	} else if (a - (u64)vectors_el1 < 0x1800) {
		puts("vectors+");
		a &= 0x7ff;
	}
	hex(a);
}

static void field(const char *name, u64 v)
{
	puts(" ");
	puts(name);
	puts("=");
	hex(v);
}

static void place(const char *name, u64 v)
{
	puts(" ");
	puts(name);
	puts("=");
	address(v);
}

int has_el2(void)
{
	return READ(id_aa64pfr0_el1) >> 8 & 15;
}

static int has_pan(void)
{
	return READ(id_aa64mmfr1_el1) >> 20 & 15;
}

static int has_ssbs(void)
{
	return (READ(id_aa64pfr1_el1) >> 4 & 15) == 2;
}

// How far an exception's return address is from where the case goes on.
static u64 skip(u64 vector, u64 esr, int el)
{
	u64 ec = esr >> 26;

	if (vector % 4 != 0)
		return 0;
	if (ec == 0x15 || ec == 0x16 || (ec == 0x17 && el == 3))
		return 0;
	if (ec == 0x32 || ec == 0x33) // Software Step
		return 0;
	return 4;
}

// Interrupts that were taken must not come again.
static void quiet(void)
{
	WRITE(cntp_ctl_el0, 0);
	WRITE(cntv_ctl_el0, 0);
	WRITE(cntps_ctl_el1, 0);
	if (has_el2()) {
		WRITE(cnthp_ctl_el2, 0);
		WRITE(hcr_el2, READ(hcr_el2) & ~(7UL << 6));
	}
	GICR_SGI(0x280) = ~0u; // ICPENDR0
	asm volatile("dsb sy; isb" ::: "memory");
}

// What is UNDEFINED in a world without any trap: a bit for each system register instruction.
static unsigned char undefined[8][1 << 14];

// expected says whether an UNDEFINED instruction need not be printed.
static int expected(unsigned w)
{
	unsigned char *bits = undefined[(current->scr & 1) << 2 | (current->spsr >> 2 & 3)];
	unsigned n = w >> 5 & 0x1ffff;

	if (w >> 24 != 0xd5)
		return 0;
	if (current->quiet & 8)
		bits[n >> 3] |= 1 << (n & 7);
	return !(current->quiet & 16) || (bits[n >> 3] >> (n & 7) & 1);
}

u64 handle(struct frame *f)
{
	u64 el = 3, vector = f->vector, esr = f->esr, elr = f->elr, spsr = f->spsr, far = f->far, at = f->pstate;
	u64 ec = esr >> 26, imm = esr & 0xffff;
	int trapped = f->elr - (u64)vectors_trap < 0x800;

	if (!active) {
		puts("exception in the program itself");
		field("elr", elr);
		field("esr", esr);
		puts("\n");
		leave_program(1);
	}
	if (has_pan())
		at |= READ(s3_0_c4_c2_3); // PAN
	if (has_ssbs())
		at |= READ(s3_3_c4_c2_6); // SSBS
	if (trapped || (ec == 0x17 && (imm >> 4 == 0xe10 || imm >> 4 == 0xe20))) {
		// EL1's or EL2's vector hands its exception up.
		at = f->spsr;
		el = at >> 2 & 3;
		vector = trapped ? (f->elr & 0x7ff) >> 7 : imm & 15;
		if (el == 2) {
			esr = READ(esr_el2);
			elr = READ(elr_el2);
			spsr = READ(spsr_el2);
			far = READ(far_el2);
		} else {
			esr = READ(esr_el1);
			elr = READ(elr_el1);
			spsr = READ(spsr_el1);
			far = READ(far_el1);
		}
		ec = esr >> 26;
		imm = esr & 0xffff;
	}
	if (vector % 4 == 0 && ec >= 0x15 && ec <= 0x17 && imm == 0xff00) {
		puts(" done\n");
		active = 0;
		return 0;
	}
	if (vector % 4 == 0 && ec >= 0x15 && ec <= 0x17 && imm == 0xff01) {
		show("x0", f->x[0]);
	} else if (vector % 4 == 0 && ec >= 0x15 && ec <= 0x17 && imm == 0xff03) {
		current->between();
	} else if (vector % 4 == 0 && ec >= 0x15 && ec <= 0x17 && imm == 0xff02) {
		// A sweep's instruction, which is in w19, was executed.
		if (!(current->quiet & 2)) {
			field("w", f->x[19] & 0xffffffff);
			show("x0", f->x[0]);
		}
	} else if ((current->quiet & 1) && vector % 4 == 0 && esr == 0x02000000 && expected(f->x[19])) {
		// UNDEFINED: most encodings are.
	} else {
		if (current->quiet)
			field("w", f->x[19] & 0xffffffff);
		puts(" EL");
		hex(el);
		puts("+");
		hex(vector << 7);
		if (vector % 4 == 0 || vector % 4 == 3)
			field("esr", esr);
		place("elr", elr);
		field("spsr", spsr);
		if (vector % 4 == 0 && ((ec >= 0x20 && ec <= 0x25) || ec == 0x34 || ec == 0x35))
			place("far", far);
		if (vector % 4 == 0 && el == 2 && (ec == 0x20 || ec == 0x24) && ((esr & 0x3c) < 0xc || esr & 0x80))
			field("hpfar", READ(hpfar_el2));
		// QEMU clears the condition flags; the architecture leaves them as they are (AArch64.TakeException).
		field("at", at & 0xfffffff);
		puts("\n");
		if (left == 0) {
			active = 0;
			return 0;
		}
		left--;
		if (vector % 4 != 0)
			quiet();
	}
	f->elr = elr + skip(vector, esr, el);
	if (current->quiet && f->elr == elr + 4)
		f->elr += 4; // behind the call that says that the instruction was executed
	f->spsr = spsr;
	if (vector % 4 == 0 && (ec == 0x32 || ec == 0x33))
		f->spsr |= 1 << 21; // SS: one more instruction
	return 1;
}

// What a case starts from, whatever the one before it did.
static void baseline(void)
{
	int i;

	WRITE(scr_el3, 0x531);
	WRITE(sctlr_el3, 0x30c50830);
	WRITE(cptr_el3, 0);
	WRITE(mdcr_el3, 0);
	WRITE(tcr_el3, 0);
	WRITE(ttbr0_el3, 0);
	WRITE(mair_el3, MAIR);
	WRITE(tpidr_el3, 0);
	WRITE(sctlr_el1, 0x30d00800);
	WRITE(cpacr_el1, 3 << 20);
	WRITE(tcr_el1, 0);
	WRITE(ttbr0_el1, 0);
	WRITE(ttbr1_el1, 0);
	WRITE(mair_el1, MAIR);
	WRITE(vbar_el1, (u64)vectors_el1);
	WRITE(esr_el1, 0);
	WRITE(elr_el1, 0);
	WRITE(spsr_el1, 0);
	WRITE(far_el1, 0);
	WRITE(par_el1, 0);
	WRITE(contextidr_el1, 0);
	WRITE(tpidr_el1, 0);
	WRITE(tpidr_el0, 0);
	WRITE(tpidrro_el0, 0);
	WRITE(mdscr_el1, 0);
	WRITE(oslar_el1, 0);
	WRITE(cntkctl_el1, 0);
	WRITE(pmuserenr_el0, 0);
	WRITE(pmcr_el0, 0);
	WRITE(sp_el0, 0x40210000);
	WRITE(sp_el1, 0x40220000);
	WRITE(cntp_ctl_el0, 0);
	WRITE(cntv_ctl_el0, 0);
	WRITE(cntps_ctl_el1, 0);
	WRITE(s3_0_c12_c12_5, 7);  // ICC_SRE_EL1, non-secure
	if (has_el2()) {
		WRITE(hcr_el2, 1UL << 31);
		WRITE(sctlr_el2, 0x30c50830);
		WRITE(cptr_el2, 0x33ff);
		WRITE(mdcr_el2, READ(pmcr_el0) >> 11 & 31);
		WRITE(hstr_el2, 0);
		WRITE(tcr_el2, 0x80800000);
		WRITE(ttbr0_el2, 0);
		WRITE(mair_el2, MAIR);
		WRITE(vtcr_el2, 0x80000000);
		WRITE(vttbr_el2, 0);
		WRITE(vpidr_el2, READ(midr_el1));
		WRITE(vmpidr_el2, READ(mpidr_el1));
		WRITE(vbar_el2, (u64)vectors_el2);
		WRITE(esr_el2, 0);
		WRITE(elr_el2, 0);
		WRITE(spsr_el2, 0);
		WRITE(far_el2, 0);
		WRITE(hpfar_el2, 0);
		WRITE(tpidr_el2, 0);
		WRITE(cnthctl_el2, 3);
		WRITE(cntvoff_el2, 0);
		WRITE(cnthp_ctl_el2, 0);
		WRITE(sp_el2, 0x40230000);
		WRITE(s3_4_c12_c9_5, 15); // ICC_SRE_EL2
		WRITE(s3_4_c12_c11_0, 0); // ICH_HCR_EL2
		asm volatile("tlbi alle2");
	}
	if (has_pan())
		WRITE(s3_0_c4_c2_3, 0);
	if (has_ssbs())
		WRITE(s3_3_c4_c2_6, 0);
	WRITE(spsel, 1);
	asm volatile("tlbi alle1; tlbi alle3; dsb sy; ic iallu; dsb sy; isb" ::: "memory");

	// SGI 1 is in Group 0, SGI 2 and the secure timer in Secure Group 1, all others in Non-secure Group 1.
	WRITE(s3_6_c12_c12_5, 15); // ICC_SRE_EL3
	asm volatile("isb");
	GICD(0) = 0x37; // CTLR: ARE, all groups
	GICR(0x14) = 0; // WAKER
	GICR_SGI(0x280) = ~0u;
	GICR_SGI(0x380) = ~0u; // ICACTIVER0
	GICR_SGI(0x80) = ~(1u << 1 | 1u << 2 | 1u << 29); // IGROUPR0
	GICR_SGI(0xd00) = 1u << 2 | 1u << 29; // IGRPMODR0
	for (i = 0; i < 32; i += 4)
		GICR_SGI(0x400 + i) = 0xa0a0a0a0;
	GICR_SGI(0x100) = ~0u; // ISENABLER0
	WRITE(s3_0_c4_c6_0, 0xff); // ICC_PMR_EL1
	WRITE(s3_0_c12_c12_6, 1); // ICC_IGRPEN0_EL1
	WRITE(s3_6_c12_c12_7, 3); // ICC_IGRPEN1_EL3
	for (i = 0; i < 512; i++)
		((volatile u64 *)SCRATCH)[i] = 0x0101010101010101 * (i & 0xff);
	asm volatile("dsb sy; isb" ::: "memory");
}

// Translation tables with 4 KiB pages and 39 bits of address, which start at level 1. A tree takes 64 KiB from base; the last word
// counts its pages. Stage 2 has descriptors of its own.
static u64 *page(u64 base)
{
	u64 *used = (u64 *)(base + 0xfff8), i;
	u64 *p = (u64 *)(base + (*used)++ * 4096);

	for (i = 0; i < 512; i++)
		p[i] = 0;
	return p;
}

void identity(u64 base, u64 stage2)
{
	u64 normal = stage2 ? 0x7fd : 0x701, device = stage2 ? 1UL << 54 | 0x6c5 : 1UL << 54 | 0x605;
	u64 *level1, *low, *high, i;

	*(u64 *)(base + 0xfff8) = 0;
	level1 = page(base);
	low = page(base);
	high = page(base);
	level1[0] = (u64)low | 3;
	level1[1] = (u64)high | 3;
	for (i = 0; i < 512; i++) {
		u64 a = i << 21;

		low[i] = a | ((a >= 0x08000000 && a < 0x0e000000) || a >= 0x0f000000 ? device : normal);
		high[i] = (0x40000000 + a) | normal;
	}
	if (!stage2) {
		for (i = 0; i < 4; i++)
			low[i] |= 0x80; // the program
		high[0] |= 0xc0; // code: EL0 and EL1 may execute and read
		high[1] |= 0x40; // data: EL0 and EL1 may read and write
	}
}

// map sets the descriptor of a page.
void map(u64 base, u64 va, u64 desc)
{
	u64 *table = (u64 *)base, *next, i;
	int shift;

	for (shift = 30; shift > 12; shift -= 9) {
		u64 *d = &table[va >> shift & 511];

		if ((*d & 3) == 3) {
			table = (u64 *)(*d & 0xfffffffff000);
			continue;
		}
		next = page(base);
		if ((*d & 3) == 1) // a block of 2 MiB becomes pages
			for (i = 0; i < 512; i++)
				next[i] = (*d + (i << 12)) | 2;
		*d = (u64)next | 3;
		table = next;
	}
	table[va >> 12 & 511] = desc;
}

// entry gives the descriptor of level 1 or 2 that an address is translated by.
u64 *entry(u64 base, u64 va, int level)
{
	u64 *d = (u64 *)base + (va >> 30 & 511);

	if (level == 2)
		d = (u64 *)(*d & 0xfffffffff000) + (va >> 21 & 511);
	return d;
}

// The second processor answers what the first one asks, by numbers.
void (*volatile secondary_task)(void);
static volatile u64 question, answer;

static void serve(void)
{
	u64 n;

	for (;;) {
		while (!question)
			asm volatile("wfe");
		n = question;
		asm volatile("dsb sy" ::: "memory");
		switch (n) {
		case 1:
			answer = READ(mpidr_el1);
			break;
		case 2:
			answer = READ(currentel) | READ(daif) | READ(spsel);
			break;
		case 3:
			answer = READ(scr_el3);
			break;
		case 4:
			answer = READ(isr_el1);
			break;
		case 5:
			answer = READ(s3_0_c12_c8_0); // ICC_IAR0_EL1
			WRITE(s3_0_c12_c8_1, answer);
			break;
		case 6:
			answer = READ(s3_0_c12_c12_0); // ICC_IAR1_EL1
			WRITE(s3_0_c12_c12_1, answer);
			break;
		case 7: // the same in Non-secure state
			WRITE(scr_el3, READ(scr_el3) | 1);
			asm volatile("isb");
			answer = READ(s3_0_c12_c12_0);
			WRITE(s3_0_c12_c12_1, answer);
			WRITE(scr_el3, READ(scr_el3) & ~1UL);
			asm volatile("isb");
			break;
		case 8:
			WRITE(s3_6_c12_c12_5, 15);
			asm volatile("isb");
			GICR(0x20014) = 0;
			GICR_SGI(0x20080) = ~(1u << 1 | 1u << 2 | 1u << 29);
			GICR_SGI(0x20d00) = 1u << 2 | 1u << 29;
			GICR_SGI(0x20100) = ~0u;
			WRITE(s3_0_c4_c6_0, 0xff);
			WRITE(s3_0_c12_c12_6, 1);
			WRITE(s3_6_c12_c12_7, 3);
			asm volatile("dsb sy; isb" ::: "memory");
			answer = GICR_SGI(0x20200);
			break;
		}
		asm volatile("dsb sy" ::: "memory");
		question = 0;
		asm volatile("dsb sy; sev" ::: "memory");
	}
}

// ask prints the second processor's answer.
void ask(u64 n)
{
	if (!secondary_task) {
		secondary_task = serve;
		asm volatile("dsb sy; sev" ::: "memory");
	}
	question = n;
	asm volatile("dsb sy; sev" ::: "memory");
	while (question)
		asm volatile("wfe");
	show("answer", answer);
}

void run(void)
{
	u64 x[31];
	int i;

	for (current = kases; current->name; current++) {
		puts(current->name);
		puts("\n");
		left = current->resume;
		if (!(current->quiet & 4)) {
			baseline();
			WRITE(scr_el3, current->scr);
			if (has_el2())
				WRITE(hcr_el2, current->hcr);
			asm volatile("isb" ::: "memory");
		}
		if (current->setup)
			current->setup();
		asm volatile("dsb sy; ic iallu; dsb sy; isb" ::: "memory");
		for (i = 0; i < 31; i++)
			x[i] = 0x10000 + 16 * i;
		active = 1;
		enter(x, current->body, current->spsr);
		if (current->after)
			current->after();
	}
}
