/*
 * Generic timer (DDI 0487, D11) with its private interrupts, WFI, and the PL031 clock (DDI 0224). Prints no times, so that
 * the output is the same on every machine.
 */
#include "rt.h"

enum { CTL_ENABLE = 1, CTL_IMASK = 2, CTL_ISTATUS = 4 };
enum { PPI_VIRTUAL = 27, PPI_PHYSICAL = 30, SPURIOUS = 1023 };
enum { TICKS = 10 };
enum { RTC = 0x09010000, RTC_DR = 0x000, RTC_ID = 0xfe0 };

#define TIMER(name, reg) \
	static u64 name##_counter(void) { isb(); return sysreg_read("cnt" reg "ct_el0"); } \
	static u64 name##_ctl(void) { isb(); return sysreg_read("cnt" reg "_ctl_el0"); } \
	static void name##_set_ctl(u64 v) { sysreg_write("cnt" reg "_ctl_el0", v); isb(); } \
	static u64 name##_cval(void) { return sysreg_read("cnt" reg "_cval_el0"); } \
	static void name##_set_cval(u64 v) { sysreg_write("cnt" reg "_cval_el0", v); isb(); } \
	static u64 name##_tval(void) { isb(); return sysreg_read("cnt" reg "_tval_el0"); } \
	static void name##_set_tval(u64 v) { sysreg_write("cnt" reg "_tval_el0", v); isb(); }
TIMER(virtual, "v")
TIMER(physical, "p")

struct timer {
	const char *name;
	u32 ppi;
	u64 (*counter)(void), (*ctl)(void), (*cval)(void), (*tval)(void);
	void (*set_ctl)(u64), (*set_cval)(u64), (*set_tval)(u64);
};
static const struct timer timers[] = {
	{ "virtual", PPI_VIRTUAL, virtual_counter, virtual_ctl, virtual_cval, virtual_tval, virtual_set_ctl, virtual_set_cval, virtual_set_tval },
	{ "physical", PPI_PHYSICAL, physical_counter, physical_ctl, physical_cval, physical_tval, physical_set_ctl, physical_set_cval, physical_set_tval },
};

static const struct timer *running;
static volatile u32 ticks, others;
static u64 period;

static void expect(const char *phase, const char *name, u64 want, u64 got)
{
	char expect[24], saw[24];
	format_to(expect, sizeof expect, "%lu", want);
	format_to(saw, sizeof saw, "%lu", got);
	step(want == got, phase, name, expect, saw, "%s", "");
}

static void yes(const char *phase, const char *name, bool ok) { step(ok, phase, name, "yes", ok ? "yes" : "no", "%s", ""); }

static void on_irq(struct cpu *c)
{
	u32 intid = gic_acknowledge();
	c->last_intid = intid;
	if (intid == running->ppi) {
		if (++ticks < TICKS)
			running->set_cval(running->cval() + period);
		else
			running->set_ctl(0);
	} else {
		others++;
	}
	gic_end(intid);
}

/* Sleeps until ticks is n. The interrupt is masked while the condition is looked at, so that it cannot slip in between. */
static void sleep_until(u32 n)
{
	while (ticks < n) {
		__asm__ volatile("wfi" : : : "memory");
		irq_unmask();
		isb();
		irq_mask();
	}
}

static void polled(const struct timer *t)
{
	u64 a = t->counter(), b;
	do
		b = t->counter();
	while (b == a);
	yes(t->name, "advances", b > a);

	/* TVAL is CVAL minus the counter, 32 bits signed. */
	t->set_ctl(0);
	t->set_tval(0x40000000);
	u64 left = t->cval() - t->counter();
	yes(t->name, "tval-sets-cval", left <= 0x40000000 && left > 0x30000000);
	t->set_tval(0xfffffff0); /* -16 */
	yes(t->name, "tval-negative", (int64_t)(t->cval() - t->counter()) < 0);
	yes(t->name, "tval-reads-negative", (int32_t)t->tval() < 0);

	t->set_cval(t->counter() + period);
	u64 deadline = t->cval();
	t->set_ctl(CTL_ENABLE | CTL_IMASK);
	bool early = false;
	while (!(t->ctl() & CTL_ISTATUS))
		;
	early = t->counter() < deadline;
	yes(t->name, "not-early", !early);
	expect(t->name, "ctl-after", CTL_ENABLE | CTL_IMASK | CTL_ISTATUS, t->ctl());
	t->set_cval(t->counter() + 0x100000000);
	expect(t->name, "ctl-later", CTL_ENABLE | CTL_IMASK, t->ctl());
	t->set_ctl(0);
}

static void interrupts(const struct timer *t)
{
	running = t;
	gic_enable(t->ppi);

	/* IMASK keeps the interrupt away though the condition holds. */
	t->set_cval(t->counter());
	t->set_ctl(CTL_ENABLE | CTL_IMASK);
	expect(t->name, "masked-pending", SPURIOUS, gic_acknowledge());

	/* With PSTATE.I set WFI wakes up all the same and the interrupt stays pending. */
	t->set_cval(t->counter() + period);
	u64 deadline = t->cval();
	t->set_ctl(CTL_ENABLE);
	do
		__asm__ volatile("wfi" : : : "memory");
	while (!(t->ctl() & CTL_ISTATUS));
	yes(t->name, "wfi-masked", t->counter() >= deadline);
	u32 intid = gic_acknowledge();
	expect(t->name, "acknowledged", t->ppi, intid);
	expect(t->name, "active-not-pending", SPURIOUS, gic_acknowledge());
	/* Level-sensitive: it is pending again as long as the condition holds. */
	gic_end(intid);
	expect(t->name, "pending-again", t->ppi, intid = gic_acknowledge());
	t->set_ctl(0);
	gic_end(intid);
	expect(t->name, "quiet", SPURIOUS, gic_acknowledge());

	ticks = others = 0;
	u64 start = t->counter();
	t->set_cval(start + period);
	t->set_ctl(CTL_ENABLE);
	sleep_until(TICKS);
	u64 took = t->counter() - start;
	expect(t->name, "ticks", TICKS, ticks);
	expect(t->name, "last-intid", t->ppi, this_cpu()->last_intid);
	expect(t->name, "other-interrupts", 0, others);
	yes(t->name, "ticks-not-early", took >= TICKS * period);
	expect(t->name, "ctl-off", 0, t->ctl() & CTL_ENABLE);
}

static void clock(void)
{
	/* PrimeCell identification: part 0x031, designer 0x41, and the cell id. */
	u32 id = 0, cell = 0;
	for (u32 i = 0; i < 4; i++) {
		id |= (mmio_read(RTC + RTC_ID + 4 * i) & 0xff) << (8 * i);
		cell |= (mmio_read(RTC + RTC_ID + 16 + 4 * i) & 0xff) << (8 * i);
	}
	expect("rtc", "part", 0x41031, id & 0xfffff);
	expect("rtc", "cell", 0xb105f00d, cell);
	u32 a = mmio_read(RTC + RTC_DR), b = mmio_read(RTC + RTC_DR);
	yes("rtc", "not-backwards", b >= a && b - a <= 2);
}

int image_main(void)
{
	u64 frequency = sysreg_read("cntfrq_el0");
	yes("counter", "frequency", frequency >= 1000000 && frequency <= 1000000000);
	period = frequency / 1000;
	u64 v1 = virtual_counter(), p = physical_counter(), v2 = virtual_counter();
	yes("counter", "no-offset", v1 <= p && p <= v2);
	for (unsigned i = 0; i < 2; i++)
		polled(&timers[i]);
	if (gic_present()) {
		gic_init_distributor();
		yes("gic", "redistributor", gic_init_cpu());
		irq_handler = on_irq;
		for (unsigned i = 0; i < 2; i++)
			interrupts(&timers[i]);
	}
	clock();
	return verdict();
}
