/*
 * The interrupt controller, register by register and interrupt by interrupt: GICv3 and GICv4 architecture (IHI 0069), as the
 * non-secure world sees it or as a machine with one security state has it. Two processors where there are two.
 */
#include "rt.h"

enum { GICD = 0x08000000, GICR = 0x080a0000, GICR_STRIDE = 0x20000, SGI_FRAME = 0x10000 };
enum {
	CTLR = 0x000, TYPER = 0x004, IGROUPR = 0x080, ISENABLER = 0x100, ICENABLER = 0x180, ISPENDR = 0x200, ICPENDR = 0x280, ISACTIVER = 0x300,
	ICACTIVER = 0x380, IPRIORITYR = 0x400, ICFGR = 0xc00, IROUTER = 0x6000, PIDR2 = 0xffe8,
};
enum { CTLR_GRP1 = 1 << 1, CTLR_RWP = 1u << 31, ROUTE_ANY = 1u << 31 };
enum { SPURIOUS = 1023, A = 232, B = 233, C = 250, UART = 33, SGI = 7, PPI = 22 };
enum { UART_BASE = 0x09000000, UART_IMSC = 0x38, UART_ICR = 0x44, UART_TX = 1 << 5 };
enum { HIGH = 0x80, MIDDLE = 0xa0, LOW = 0xc0, NOBODY = 0xf8 };

#define ICC_PMR     "S3_0_C4_C6_0"
#define ICC_IAR1    "S3_0_C12_C12_0"
#define ICC_EOIR1   "S3_0_C12_C12_1"
#define ICC_HPPIR1  "S3_0_C12_C12_2"
#define ICC_BPR1    "S3_0_C12_C12_3"
#define ICC_CTLR    "S3_0_C12_C12_4"
#define ICC_IGRPEN1 "S3_0_C12_C12_7"
#define ICC_DIR     "S3_0_C12_C11_1"
#define ICC_RPR     "S3_0_C12_C11_3"
enum { CTLR_EOIMODE = 1 << 1 };

static u64 redistributor; /* of the boot processor */
static u64 other;         /* affinity of the second processor, or 0 */

static void expect(const char *phase, const char *name, u64 want, u64 got)
{
	char expect[24], saw[24];
	format_to(expect, sizeof expect, "%lx", want);
	format_to(saw, sizeof saw, "%lx", got);
	step(want == got, phase, name, expect, saw, "%s", "");
}

static void yes(const char *phase, const char *name, bool ok) { step(ok, phase, name, "yes", ok ? "yes" : "no", "%s", ""); }

/* Where an interrupt's bit is in a bank of 32-bit registers. */
static u64 bank(u32 reg, u32 intid) { return intid < 32 ? redistributor + SGI_FRAME + reg : GICD + reg + intid / 32 * 4; }
static void set(u32 reg, u32 intid) { mmio_write(bank(reg, intid), 1u << (intid % 32)); dsb(); }
static u32 get(u32 reg, u32 intid) { return mmio_read(bank(reg, intid)) >> (intid % 32) & 1; }

static void quiesce(void)
{
	while (mmio_read(GICD + CTLR) & CTLR_RWP)
		;
	while (mmio_read(redistributor) & 1 << 3)
		;
}

static void priority(u32 intid, u8 p)
{
	u64 base = intid < 32 ? redistributor + SGI_FRAME : GICD;
	__asm__ volatile("strb %w0, [%1]" : : "r"(p), "r"(base + IPRIORITYR + intid) : "memory");
	dsb();
}

static u8 priority_of(u32 intid)
{
	u64 base = intid < 32 ? redistributor + SGI_FRAME : GICD;
	u8 p;
	__asm__ volatile("ldrb %w0, [%1]" : "=r"(p) : "r"(base + IPRIORITYR + intid) : "memory");
	return p;
}

static void edge(u32 intid, bool on)
{
	u64 reg = GICD + ICFGR + intid / 16 * 4;
	u32 bit = 2u << (intid % 16 * 2), v = mmio_read(reg);
	mmio_write(reg, on ? v | bit : v & ~bit);
}

static void route(u32 intid, u64 to)
{
	u64 v = (to >> 32 & 0xff) << 32 | (to & 0xffffff) | (to & ROUTE_ANY);
	__asm__ volatile("str %0, [%1]" : : "r"(v), "r"((u64)GICD + IROUTER + 8 * intid) : "memory");
	dsb();
}

/* Back to nothing: not enabled, not pending, not active. */
static void clear(u32 intid)
{
	set(ICENABLER, intid);
	quiesce();
	set(ICPENDR, intid);
	set(ICACTIVER, intid);
	priority(intid, MIDDLE);
	if (intid >= 32) {
		edge(intid, true);
		route(intid, cpus[0].mpidr);
	}
}

/* The processor's interrupt line, as it would be taken (DDI 0487, ISR_EL1.I). */
static u32 signalled(void)
{
	dsb();
	isb();
	return sysreg_read("isr_el1") >> 7 & 1;
}

static u32 acknowledge(void) { return gic_acknowledge(); }

static void registers(void)
{
	expect("registers", "architecture", 3, mmio_read(GICD + PIDR2) >> 4 & 0xf);
	u32 typer = mmio_read(GICD + TYPER);
	yes("registers", "lines", (typer & 0x1f) >= 7);
	yes("registers", "id-bits", (typer >> 19 & 0x1f) >= 9);
	const struct { u32 on, off; const char *name; } pairs[] = {
		{ ISENABLER, ICENABLER, "enable" }, { ISPENDR, ICPENDR, "pending" }, { ISACTIVER, ICACTIVER, "active" },
	};
	const u32 ids[] = { SGI, PPI, A, C };
	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < 4; k++) {
			u32 id = ids[k], before = get(pairs[i].on, id);
			set(pairs[i].on, id);
			u32 on = get(pairs[i].on, id) << 1 | get(pairs[i].off, id);
			mmio_write(bank(pairs[i].on, id), 0); /* zeros change nothing */
			mmio_write(bank(pairs[i].off, id), 0);
			u32 still = get(pairs[i].on, id);
			set(pairs[i].off, id);
			u32 after = get(pairs[i].on, id) << 1 | get(pairs[i].off, id);
			char name[40];
			format_to(name, sizeof name, "%s-%u", pairs[i].name, id);
			expect("registers", name, 0x0340, before << 12 | on << 8 | still << 6 | after);
		}
	priority(A, HIGH);
	priority(A + 1, LOW);
	expect("registers", "priority-bytes", LOW << 8 | HIGH, priority_of(A + 1) << 8 | priority_of(A));
	mmio_write(GICD + IPRIORITYR + A, 0xa0b0c0d0);
	expect("registers", "priority-word", 0xa0b0c0d0, mmio_read(GICD + IPRIORITYR + A));
	priority(A, 0xff);
	yes("registers", "priority-bits", priority_of(A) == 0xf8 || priority_of(A) == 0xf0 || priority_of(A) == 0xff);
	edge(A, false);
	u32 level = mmio_read(GICD + ICFGR + A / 16 * 4) >> (A % 16 * 2) & 2;
	edge(A, true);
	expect("registers", "configuration", 2, level << 4 | (mmio_read(GICD + ICFGR + A / 16 * 4) >> (A % 16 * 2) & 2));
	expect("registers", "sgi-are-edges", 0xaaaaaaaa, mmio_read(redistributor + SGI_FRAME + ICFGR));
	route(A, 0x100);
	u64 to = mmio_read64(GICD + IROUTER + 8 * A);
	expect("registers", "route", 0x100, to & 0xff80ffffff);
	/* 0x700 is past the last SPI that can be. */
	mmio_write(GICD + ISENABLER + 0x7c, 0xffffffff);
	expect("registers", "special-intids", 0, mmio_read(GICD + ISENABLER + 0x7c) >> 28);
	clear(A);
	clear(A + 1);
	clear(A + 2);
	clear(A + 3);
	clear(C);
}

/* One interrupt after the other, taken by looking, with interrupts masked. */
static void delivery(u32 id)
{
	char name[40];
#define NAME(n) (format_to(name, sizeof name, "%s-%u", n, id), name)
	clear(id);
	expect("delivery", NAME("quiet"), SPURIOUS, acknowledge());
	set(ISPENDR, id);
	expect("delivery", NAME("not-enabled"), SPURIOUS, acknowledge());
	set(ISENABLER, id);
	expect("delivery", NAME("line"), 1, signalled());
	expect("delivery", NAME("highest"), id, sysreg_read(ICC_HPPIR1));
	expect("delivery", NAME("idle-priority"), 0xff, sysreg_read(ICC_RPR));
	u32 got = acknowledge();
	expect("delivery", NAME("acknowledged"), id, got);
	expect("delivery", NAME("state"), 1, get(ISPENDR, id) << 1 | get(ISACTIVER, id));
	expect("delivery", NAME("running-priority"), MIDDLE, sysreg_read(ICC_RPR));
	expect("delivery", NAME("line-low"), 0, signalled());
	/* Pending and active: not again before the end. */
	set(ISPENDR, id);
	expect("delivery", NAME("pending-active"), 3, get(ISPENDR, id) << 1 | get(ISACTIVER, id));
	expect("delivery", NAME("not-twice"), SPURIOUS, acknowledge());
	gic_end(got);
	expect("delivery", NAME("again"), id, got = acknowledge());
	gic_end(got);
	expect("delivery", NAME("over"), SPURIOUS, acknowledge());
	/* Taken back before it was seen. */
	set(ISPENDR, id);
	set(ICPENDR, id);
	expect("delivery", NAME("taken-back"), SPURIOUS, acknowledge());
	expect("delivery", NAME("line-taken-back"), 0, signalled());
	/* Disabled while it pends. */
	set(ISPENDR, id);
	set(ICENABLER, id);
	quiesce();
	expect("delivery", NAME("disabled"), SPURIOUS, acknowledge());
	expect("delivery", NAME("stays-pending"), 1, get(ISPENDR, id));
	set(ISENABLER, id);
	expect("delivery", NAME("enabled-again"), id, got = acknowledge());
	gic_end(got);
	/* The processor's interface shut, and the distributor. */
	sysreg_write(ICC_IGRPEN1, 0);
	isb();
	set(ISPENDR, id);
	expect("delivery", NAME("group-off"), SPURIOUS << 1, (u64)acknowledge() << 1 | signalled());
	sysreg_write(ICC_IGRPEN1, 1);
	isb();
	mmio_write(GICD + CTLR, mmio_read(GICD + CTLR) & ~(u32)CTLR_GRP1);
	quiesce();
	expect("delivery", NAME("distributor-off"), SPURIOUS << 1, (u64)acknowledge() << 1 | signalled());
	mmio_write(GICD + CTLR, mmio_read(GICD + CTLR) | CTLR_GRP1);
	quiesce();
	expect("delivery", NAME("distributor-on"), id, got = acknowledge());
	gic_end(got);
	/* An active interrupt is none that pends. */
	set(ISACTIVER, id);
	set(ISPENDR, id);
	expect("delivery", NAME("made-active"), SPURIOUS, acknowledge());
	set(ICACTIVER, id);
	expect("delivery", NAME("made-inactive"), id, got = acknowledge());
	gic_end(got);
	clear(id);
#undef NAME
}

static void priorities(void)
{
	clear(A), clear(B), clear(C);
	set(ISENABLER, A), set(ISENABLER, B), set(ISENABLER, C);

	sysreg_write(ICC_PMR, MIDDLE); /* only what is higher than the mask is signalled */
	isb();
	set(ISPENDR, A);
	expect("priority", "masked", SPURIOUS << 1, (u64)acknowledge() << 1 | signalled());
	sysreg_write(ICC_PMR, LOW);
	isb();
	expect("priority", "unmasked", 1, signalled());
	u32 got = acknowledge();
	expect("priority", "unmasked-intid", A, got);
	gic_end(got);
	sysreg_write(ICC_PMR, 0xff);
	isb();

	priority(A, LOW), priority(B, HIGH), priority(C, MIDDLE);
	set(ISPENDR, A), set(ISPENDR, B), set(ISPENDR, C);
	u64 order = 0;
	for (int i = 0; i < 3; i++) {
		got = acknowledge();
		gic_end(got);
		order = order << 12 | got;
	}
	expect("priority", "order", (u64)B << 24 | C << 12 | A, order);

	priority(A, MIDDLE), priority(B, MIDDLE), priority(C, MIDDLE);
	set(ISPENDR, C), set(ISPENDR, B), set(ISPENDR, A);
	order = 0;
	for (int i = 0; i < 3; i++) {
		got = acknowledge();
		gic_end(got);
		order = order << 12 | got;
	}
	expect("priority", "same-lowest-intid", (u64)A << 24 | B << 12 | C, order);

	/* Nesting: the running priority goes down and up again. */
	priority(A, LOW), priority(B, MIDDLE), priority(C, HIGH);
	set(ISPENDR, A);
	u32 first = acknowledge();
	set(ISPENDR, B);
	u32 second = acknowledge();
	set(ISPENDR, C);
	u32 third = acknowledge();
	expect("priority", "nested", (u64)A << 24 | B << 12 | C, (u64)first << 24 | second << 12 | third);
	u64 running = sysreg_read(ICC_RPR);
	gic_end(third);
	running = running << 8 | sysreg_read(ICC_RPR);
	gic_end(second);
	running = running << 8 | sysreg_read(ICC_RPR);
	gic_end(first);
	running = running << 8 | sysreg_read(ICC_RPR);
	expect("priority", "running", (u64)HIGH << 24 | MIDDLE << 16 | LOW << 8 | 0xff, running);

	/* The same or a lower priority waits for the end. */
	priority(B, LOW);
	set(ISPENDR, A);
	first = acknowledge();
	set(ISPENDR, B);
	expect("priority", "same-waits", SPURIOUS << 1, (u64)acknowledge() << 1 | signalled());
	gic_end(first);
	expect("priority", "same-after", B, got = acknowledge());
	gic_end(got);

	/* A binary point that leaves one bit of group priority: HIGH, MIDDLE and LOW (1xxxxxxx) do not preempt each other. */
	u64 bpr = sysreg_read(ICC_BPR1);
	sysreg_write(ICC_BPR1, 7);
	isb();
	priority(C, HIGH);
	set(ISPENDR, A);
	first = acknowledge();
	set(ISPENDR, C);
	expect("priority", "binary-point", SPURIOUS, acknowledge());
	gic_end(first);
	expect("priority", "binary-point-after", C, got = acknowledge());
	gic_end(got);
	sysreg_write(ICC_BPR1, bpr);
	isb();
	expect("priority", "binary-point-back", bpr, sysreg_read(ICC_BPR1));

	/* Priority drop and deactivation apart (EOImode). */
	sysreg_write(ICC_CTLR, CTLR_EOIMODE);
	isb();
	set(ISPENDR, A);
	first = acknowledge();
	gic_end(first);
	expect("priority", "dropped", 0x1ff, (u64)get(ISACTIVER, A) << 8 | sysreg_read(ICC_RPR));
	set(ISPENDR, A);
	expect("priority", "dropped-not-again", SPURIOUS, acknowledge());
	set(ISPENDR, B);
	expect("priority", "dropped-other", B, got = acknowledge());
	gic_end(got);
	sysreg_write(ICC_DIR, got);
	sysreg_write(ICC_DIR, first);
	isb();
	expect("priority", "deactivated", A, got = acknowledge());
	gic_end(got);
	sysreg_write(ICC_DIR, got);
	isb();
	sysreg_write(ICC_CTLR, 0);
	isb();
	expect("priority", "inactive", 0, get(ISACTIVER, A) << 1 | get(ISACTIVER, B));
	clear(A), clear(B), clear(C);
}

/* A level from the outside: the UART's transmit interrupt, raised by what this image has printed. */
static void level(void)
{
	console_flush();
	mmio_write(UART_BASE + UART_IMSC, 0);
	clear(UART);
	edge(UART, false);
	set(ISENABLER, UART);
	put_char(' ');
	console_flush();
	mmio_write(UART_BASE + UART_IMSC, UART_TX);
	u32 pending = get(ISPENDR, UART);
	set(ICPENDR, UART);
	pending = pending << 1 | get(ISPENDR, UART);
	u32 got = acknowledge();
	u32 again = acknowledge();
	gic_end(got);
	u32 after = acknowledge();
	mmio_write(UART_BASE + UART_ICR, UART_TX);
	mmio_write(UART_BASE + UART_IMSC, 0);
	u32 low = get(ISPENDR, UART);
	gic_end(after);
	u32 quiet = acknowledge();
	set(ICENABLER, UART);
	quiesce();
	print("\n");
	expect("level", "pending-not-cleared", 3, pending);
	expect("level", "acknowledged", UART, got);
	expect("level", "once", SPURIOUS, again);
	expect("level", "as-long-as-it-is-high", UART, after);
	expect("level", "low", 0, low);
	expect("level", "quiet", SPURIOUS, quiet);
}

static void on_irq(struct cpu *c)
{
	u32 intid = gic_acknowledge();
	if (intid != SPURIOUS) {
		c->last_intid = intid;
		c->irqs++;
	}
	gic_end(intid);
}

/* As exceptions: taken when unmasked, by WFI woken, and not with PSTATE.I set. */
static void exceptions(void)
{
	struct cpu *c = this_cpu();
	clear(A);
	set(ISENABLER, A);
	c->irqs = 0;
	set(ISPENDR, A);
	isb();
	expect("exception", "masked", 0, c->irqs);
	__asm__ volatile("wfi" : : : "memory");
	irq_unmask();
	isb();
	expect("exception", "taken", A << 4 | 1, c->last_intid << 4 | c->irqs);
	for (int i = 0; i < 3; i++) {
		set(ISPENDR, A);
		isb();
	}
	for (int i = 0; i < 1000 && c->irqs != 4; i++)
		__asm__ volatile("yield");
	irq_mask();
	expect("exception", "each", 4, c->irqs);
	clear(A);
}

static volatile u32 listening, leave;

static void second(struct cpu *c)
{
	(void)c;
	gic_init_cpu();
	gic_enable(SGI);
	irq_unmask();
	listening = 1;
	while (!leave)
		__asm__ volatile("yield");
}

static bool wait_irqs(struct cpu *c, u32 n)
{
	for (u32 i = 0; i < 100000000; i++)
		if (c->irqs >= n)
			return true;
	return false;
}

static void routing(void)
{
	struct cpu *c = &cpus[1];
	mmu_on();
	expect("routing", "cpu-on", 0, cpu_start(1, other, second));
	while (!listening)
		;
	c->irqs = 0;
	clear(A);
	route(A, other);
	set(ISENABLER, A);
	set(ISPENDR, A);
	yes("routing", "to-the-other", wait_irqs(c, 1));
	expect("routing", "not-here", A << 16 | SPURIOUS, c->last_intid << 16 | acknowledge());
	/* A route takes effect on what pends already. */
	route(B, 0x7f00);
	clear(B);
	route(B, cpus[0].mpidr);
	set(ISENABLER, B);
	set(ISPENDR, B);
	route(B, other);
	yes("routing", "moved-while-pending", wait_irqs(c, 2));
	expect("routing", "moved", B << 16 | SPURIOUS, c->last_intid << 16 | acknowledge());
	gic_sgi(SGI, other);
	yes("routing", "sgi", wait_irqs(c, 3));
	gic_sgi_others(SGI);
	yes("routing", "sgi-others", wait_irqs(c, 4));
	gic_sgi(SGI, 0x00007f00);
	expect("routing", "sgi-to-nobody", SPURIOUS, acknowledge());
	/* To any one: exactly one takes it. */
	c->irqs = 0;
	route(A, ROUTE_ANY);
	set(ISPENDR, A);
	u32 mine = 0;
	for (u32 i = 0; i < 1000000 && !mine && !c->irqs; i++) {
		u32 got = acknowledge();
		if (got == A) {
			mine++;
			gic_end(got);
		}
	}
	for (u32 i = 0; i < 10000; i++)
		__asm__ volatile("yield");
	expect("routing", "any-one", 1, mine + c->irqs);
	/* The other one's private interrupts are its own. */
	leave = 1;
	clear(A), clear(B);
	while ((int32_t)psci(PSCI_AFFINITY_INFO, other, 0, 0) != 1)
		;
	/* Off: what comes in waits for somebody. */
	route(A, other);
	set(ISENABLER, A);
	set(ISPENDR, A);
	expect("routing", "waits-for-a-processor-that-is-off", 1 << 16 | SPURIOUS, get(ISPENDR, A) << 16 | acknowledge());
	route(A, cpus[0].mpidr);
	u32 got = acknowledge();
	expect("routing", "and-comes-back", A, got);
	gic_end(got);
	clear(A);
}

int image_main(void)
{
	if (!gic_present()) {
		print("no GICv3\n");
		return verdict();
	}
	gic_init_distributor();
	yes("gic", "redistributor", gic_init_cpu());
	u32 mine = (u32)(cpus[0].mpidr >> 8 & 0xff000000) | (u32)(cpus[0].mpidr & 0xffffff);
	for (redistributor = GICR; (u32)(mmio_read64(redistributor + 8) >> 32) != mine; redistributor += GICR_STRIDE)
		;
	/* Group 1, where it is this world's to say. */
	for (u32 i = 32; i < 288; i += 32)
		mmio_write(GICD + IGROUPR + i / 8, 0xffffffff);
	irq_handler = on_irq;
	registers();
	delivery(A);
	delivery(C);
	delivery(SGI);
	delivery(PPI);
	priorities();
	level();
	exceptions();
	u64 list[MAX_CPUS];
	unsigned n = fdt_cpus(list, MAX_CPUS);
	for (unsigned i = 0; i < n && !other; i++)
		if (list[i] != cpus[0].mpidr)
			other = list[i];
	/* Without a tree: the second of the board's first cluster (PSCI AFFINITY_INFO: 1 is off). */
	if (!n && (int32_t)psci(PSCI_AFFINITY_INFO, 1, 0, 0) == 1)
		other = 1;
	if (other)
		routing();
	return verdict();
}
