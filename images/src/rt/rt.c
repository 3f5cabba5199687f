#include "rt.h"

struct cpu cpus[MAX_CPUS];
unsigned boot_el;
enum conduit conduit;
void (*irq_handler)(struct cpu *);

static void find_conduit(void);
static void probe_smc(void *arg);

/* Called by start.S with .bss clear and a stack. */
_Noreturn void rt_main(unsigned el)
{
	boot_el = el;
	cpus[0].mpidr = sysreg_read("mpidr_el1") & 0xff00ffffff;
	find_conduit();
	exit_machine(image_main());
}

_Noreturn void rt_secondary(struct cpu *c)
{
	c->main(c);
	psci(PSCI_CPU_OFF, 0, 0, 0);
	for (;;)
		__asm__ volatile("wfi");
}

u64 cpu_start(unsigned index, u64 mpidr, void (*main)(struct cpu *))
{
	struct cpu *c = &cpus[index];
	c->index = index;
	c->mpidr = mpidr;
	c->main = main;
	c->state = 0;
	dsb();
	return psci(PSCI_CPU_ON, mpidr, (u64)rt_secondary_entry, (u64)c);
}

/* Called by the vectors. */
void exc_handle(struct frame *f)
{
	struct cpu *c = (struct cpu *)f;
	unsigned type = f->kind & 3;
	if ((type == 1 || type == 2) && irq_handler) {
		irq_handler(c);
		return;
	}
	if (c->trap_record) {
		extern const char trap_landing[];
		*c->trap_record = *f;
		f->elr = (u64)trap_landing;
		f->spsr = SPSR_EL1H;
		return;
	}
	print("\nunexpected exception on cpu %u: vector %lu esr=%08lx far=%016lx elr=%016lx spsr=%lx sp=%lx lr=%lx\n", c->index, f->kind,
	      f->esr, f->far, f->elr, f->spsr, f->sp, f->x[30]);
	print("verdict FAIL exception\n");
	exit_machine(3);
}

/* PSCI and the conduit. The device tree decides; without one, the processor does: where EL3 is absent, SMC is undefined. */
static void probe_smc(void *arg) { smc18(arg); }

static void find_conduit(void)
{
	const char *method = fdt_string("/psci", "method");
	if (method) {
		conduit = equal(method, "hvc") ? CONDUIT_HVC : CONDUIT_SMC;
		return;
	}
	u64 r[18] = { PSCI_VERSION };
	struct frame f;
	conduit = trap(probe_smc, r, &f) ? CONDUIT_HVC : CONDUIT_SMC;
}

void smccc(u64 r[18])
{
	if (conduit == CONDUIT_HVC)
		hvc18(r);
	else
		smc18(r);
}

u64 psci(u32 function, u64 a, u64 b, u64 c)
{
	u64 r[18] = { function, a, b, c };
	smccc(r);
	return r[0];
}

/* Leaving. A code other than 0 can only be told through semihosting (SYS_EXIT, ADP_Stopped_ApplicationExit); where nobody
 * listens HLT is undefined and the machine is powered off. */
static void sys_exit(void *block) { semihosting(0x18, block); }

_Noreturn void exit_machine(int code)
{
	console_flush();
	if (code != 0) {
		u64 block[2] = { 0x20026, (u64)code };
		struct frame f;
		trap(sys_exit, block, &f);
	}
	psci(PSCI_SYSTEM_OFF, 0, 0, 0);
	for (;;)
		__asm__ volatile("wfi");
}

/* Results. */
static unsigned steps, failed;

bool step(bool ok, const char *phase, const char *name, const char *expect, const char *saw, const char *detail, ...)
{
	char text[160];
	va_list ap;
	va_start(ap, detail);
	format_va(text, sizeof text, detail, ap);
	va_end(ap);
	print("step %s %s expect=%s saw=%s%s%s %s\n", phase, name, expect, saw, text[0] ? " " : "", text, ok ? "ok" : "FAIL");
	steps++;
	failed += !ok;
	return ok;
}

int verdict(void)
{
	if (failed == 0)
		print("verdict ok steps=%u\n", steps);
	else
		print("verdict FAIL steps=%u failed=%u\n", steps, failed);
	return failed != 0;
}

/* Memory. The loops must not become calls of themselves. */
#define PLAIN __attribute__((optimize("no-tree-loop-distribute-patterns")))

PLAIN void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	u8 *t = to;
	const u8 *f = from;
	if ((((u64)t | (u64)f) & 7) == 0) {
		for (; n >= 8; n -= 8, t += 8, f += 8)
			*(u64 *)t = *(const u64 *)f;
	}
	while (n--)
		*t++ = *f++;
	return to;
}

PLAIN void *memset(void *p, int c, size_t n)
{
	u8 *t = p;
	u64 v = (u8)c * 0x0101010101010101ul;
	for (; n && ((u64)t & 7); n--)
		*t++ = (u8)c;
	for (; n >= 8; n -= 8, t += 8)
		*(u64 *)t = v;
	while (n--)
		*t++ = (u8)c;
	return p;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;
	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

PLAIN size_t strlen(const char *s)
{
	size_t n = 0;
	while (s[n])
		n++;
	return n;
}

bool equal(const char *a, const char *b)
{
	for (; *a == *b; a++, b++)
		if (*a == 0)
			return true;
	return false;
}
