/*
 * Brings up the secondary processors with PSCI (DEN 0022) and lets all of them meet: exclusives, LSE atomics, a lock, a
 * barrier, software generated interrupts. One processor prints at a time, in the order of the image, so the output does
 * not depend on scheduling.
 */
#include "rt.h"

enum { ADDS = 1000, SGI = 5, SGI_ALL = 6 };
enum { ON = 0, OFF = 1 };
enum { STATE_UP = 1, STATE_COUNTED, STATE_LISTENING, STATE_OFF };

static volatile u64 exclusive_count, lse_count, locked_count;
static volatile u32 lock, arrived, phase;
static volatile u32 said[MAX_CPUS];
static unsigned ncpus;
static bool gic;

static bool have_lse(void) { return (sysreg_read("id_aa64isar0_el1") >> 20 & 0xf) >= 2; }

static u64 add_exclusive(volatile u64 *p, u64 n)
{
	u64 v;
	u32 failed;
	__asm__ volatile("1: ldxr %0, %2\n"
			 "   add %0, %0, %3\n"
			 "   stxr %w1, %0, %2\n"
			 "   cbnz %w1, 1b"
			 : "=&r"(v), "=&r"(failed), "+Q"(*p)
			 : "r"(n)
			 : "memory");
	return v;
}

static void add_lse(volatile u64 *p, u64 n)
{
	if (!have_lse()) {
		add_exclusive(p, n);
		return;
	}
	__asm__ volatile(".arch armv8.1-a\n"
			 "stadd %1, %0"
			 : "+Q"(*p)
			 : "r"(n)
			 : "memory");
}

static void take(volatile u32 *l)
{
	u32 v, one = 1;
	__asm__ volatile("   sevl\n"
			 "1: wfe\n"
			 "2: ldaxr %w0, %1\n"
			 "   cbnz %w0, 1b\n"
			 "   stxr %w0, %w2, %1\n"
			 "   cbnz %w0, 2b"
			 : "=&r"(v), "+Q"(*l)
			 : "r"(one)
			 : "memory");
}

static void release(volatile u32 *l) { __asm__ volatile("stlr wzr, %0" : "=Q"(*l) : : "memory"); }

/* All CPUs wait until n have come. */
static void barrier(u32 n)
{
	u32 mine = phase;
	dmb();
	take(&lock);
	u32 now = ++arrived;
	if (now == n) {
		arrived = 0;
		dmb();
		phase = mine + 1;
	}
	release(&lock);
	while (phase == mine)
		__asm__ volatile("yield");
	dmb();
}

static void count(void)
{
	for (int i = 0; i < ADDS; i++) {
		add_exclusive(&exclusive_count, 1);
		add_lse(&lse_count, 3);
		take(&lock);
		locked_count = locked_count + 5;
		release(&lock);
	}
}

static void on_irq(struct cpu *c)
{
	u32 intid = gic_acknowledge();
	if (intid < 16) {
		c->last_intid = intid;
		c->irqs++;
	}
	gic_end(intid);
}

static void listen(void)
{
	if (!gic)
		return;
	gic_init_cpu();
	gic_enable(SGI);
	gic_enable(SGI_ALL);
	irq_unmask();
}

static void wait_for(volatile u32 *p, u32 v)
{
	while (*p != v)
		__asm__ volatile("yield");
	dmb();
}

static void secondary(struct cpu *c)
{
	take(&lock);
	print("cpu %u: up at EL%lu, mpidr %lx\n", c->index, sysreg_read("CurrentEL") >> 2, sysreg_read("mpidr_el1") & 0xff00ffffff);
	release(&lock);
	c->state = STATE_UP;

	barrier(ncpus);
	count();
	barrier(ncpus);

	listen();
	c->state = STATE_LISTENING;
	wait_for(&said[c->index], 1);
	take(&lock);
	print("cpu %u: %u interrupts, last %u\n", c->index, c->irqs, c->last_intid);
	release(&lock);
	c->state = STATE_OFF;
	wait_for(&said[c->index], 2);
}

static u64 affinities[MAX_CPUS]; /* this processor's first */

static u64 affinity(unsigned i) { return affinities[i]; }

static int64_t affinity_info(u64 mpidr) { return (int32_t)psci(PSCI_AFFINITY_INFO, mpidr, 0, 0); }

/* Finds the processors: in the device tree, or without one by asking for the affinities that the virt board gives out, 16 to a
 * GICv3 cluster and 8 to a GICv2 one. Firmware may answer for more processors than there are, so the tree goes first. */
static void find_cpus(void)
{
	const unsigned cluster = gic ? 16 : 8;
	affinities[0] = cpus[0].mpidr;
	ncpus = 1;
	u64 list[MAX_CPUS];
	unsigned n = fdt_cpus(list, MAX_CPUS);
	for (unsigned i = 0; i < n; i++)
		if (list[i] != affinities[0] && ncpus < MAX_CPUS)
			affinities[ncpus++] = list[i];
	if (n)
		return;
	for (unsigned i = 1; i < MAX_CPUS; i++) {
		u64 a = (u64)(i / cluster) << 8 | i % cluster;
		if (affinity_info(a) != OFF)
			return;
		affinities[ncpus++] = a;
	}
}

static void expect(const char *phase_name, const char *name, int64_t want, int64_t got)
{
	char expect[24], saw[24];
	format_to(expect, sizeof expect, "%ld", want);
	format_to(saw, sizeof saw, "%ld", got);
	step(want == got, phase_name, name, expect, saw, "%s", "");
}

static void expect_each(const char *phase_name, const char *name, unsigned i, int64_t want, int64_t got)
{
	char text[40];
	format_to(text, sizeof text, "%s-%u", name, i);
	expect(phase_name, text, want, got);
}

/* Starts processor i and prints when it has done so itself. */
static void start(unsigned i)
{
	int32_t result = (int32_t)cpu_start(i, affinity(i), secondary);
	if (result == 0)
		wait_for(&cpus[i].state, STATE_UP);
	expect_each("psci", "cpu-on", i, 0, result);
}

int image_main(void)
{
	enum { ALREADY_ON = -4, INVALID_PARAMETERS = -2 };
	const u64 nobody = 0x7f0000;

	gic = gic_present();
	find_cpus();
	print("cpus %u\n", ncpus);
	if (gic) {
		gic_init_distributor();
		irq_handler = on_irq;
	}
	mmu_on();

	/* One after the other, so that they print in order. */
	for (unsigned i = 1; i < ncpus; i++) {
		expect_each("psci", "affinity-off", i, OFF, affinity_info(affinity(i)));
		start(i);
		expect_each("psci", "affinity-on", i, ON, affinity_info(affinity(i)));
	}
	expect("psci", "affinity-self", ON, affinity_info(affinity(0)));
	expect("psci", "cpu-on-self", ALREADY_ON, (int32_t)psci(PSCI_CPU_ON, affinity(0), (u64)rt_secondary_entry, 0));
	if (ncpus > 1)
		expect("psci", "cpu-on-twice", ALREADY_ON, (int32_t)psci(PSCI_CPU_ON, affinity(1), (u64)rt_secondary_entry, 0));
	expect("psci", "cpu-on-nobody", INVALID_PARAMETERS, (int32_t)psci(PSCI_CPU_ON, nobody, (u64)rt_secondary_entry, 0));
	expect("psci", "affinity-nobody", INVALID_PARAMETERS, affinity_info(nobody));

	barrier(ncpus);
	count();
	barrier(ncpus);
	expect("atomic", "exclusives", 1l * ADDS * ncpus, (int64_t)exclusive_count);
	expect("atomic", "lse", 3l * ADDS * ncpus, (int64_t)lse_count);
	expect("atomic", "lock", 5l * ADDS * ncpus, (int64_t)locked_count);

	listen();
	for (unsigned i = 1; i < ncpus; i++)
		wait_for(&cpus[i].state, STATE_LISTENING);
	if (gic) {
		/* CPU i gets i + 1 interrupts of its own, then one that goes to all others. */
		for (unsigned i = 0; i < ncpus; i++)
			for (u32 k = 1; k <= i + 1; k++) {
				gic_sgi(SGI, affinity(i));
				wait_for(&cpus[i].irqs, k);
			}
		expect("sgi", "self", 1, cpus[0].irqs);
		gic_sgi_others(SGI_ALL);
		for (unsigned i = 1; i < ncpus; i++)
			wait_for(&cpus[i].irqs, i + 2);
		irq_mask();
		expect("sgi", "others-not-self", 1, cpus[0].irqs);
	}
	for (unsigned i = 1; i < ncpus; i++) {
		said[i] = 1;
		wait_for(&cpus[i].state, STATE_OFF);
		if (gic)
			expect_each("sgi", "received", i, (int64_t)i + 2, cpus[i].irqs);
	}

	/* They switch themselves off, and on again. */
	for (unsigned i = 1; i < ncpus; i++) {
		said[i] = 2;
		int64_t state;
		do
			state = affinity_info(affinity(i));
		while (state != OFF);
		expect_each("psci", "cpu-off", i, OFF, state);
	}
	if (ncpus > 1) {
		said[1] = 0;
		start(1);
	}
	return verdict();
}
