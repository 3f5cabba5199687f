/* SMCCC (DEN0028) and PSCI (DEN0022). */
#include "conform.h"

#define HIGH 0xdeadbeef00000000ul
#define SVE  0x10000ul

static void version(const struct test *t)
{
	(void)t;
	TRY("SMCCC_VERSION", SMCCC_VERSION);
	kept(4);
	require(out[0] >= 0x10002 && out[0] < 0x20000, "x0 = 1.2 or a later 1.x, upper half zero");
}

static void psci_features_ok(const struct test *t)
{
	TRY("PSCI_FEATURES", PSCI_FEATURES, t->a);
	kept(4);
	require((int)(u32)out[0] >= 0, "not negative");
}

static void version_through_psci(const struct test *t)
{
	(void)t;
	TRY("PSCI_FEATURES(SMCCC_VERSION)", PSCI_FEATURES, SMCCC_VERSION);
	result(CODE(SUCCESS));
}

static void keeps_registers(const struct test *t)
{
	doing = "a call with values in all registers";
	repeat_full(t->a, 0);
	kept(4);
	if (t->b) {
		repeat_full(t->b, t->a);
		kept(4);
	}
}

/* Two identifiers that differ in bits that do not matter. */
static void same_answer(const struct test *t)
{
	TRY("the plain call", t->a);
	u64 plain = out[0];
	TRY("the call with bits that do not matter", t->a | t->b);
	require(out[0] == plain, "the same answer as without them");
}

static void features(const struct test *t)
{
	TRY("ARCH_FEATURES", ARCH_FEATURES, t->a);
	result((u32)t->b);
}

static void features_unknown(const struct test *t)
{
	TRY("ARCH_FEATURES", ARCH_FEATURES, t->a);
	unknown();
}

static void soc_id(const struct test *t)
{
	(void)t;
	TRY("ARCH_FEATURES(SOC_ID)", ARCH_FEATURES, ARCH_SOC_ID);
	result(CODE(SUCCESS) | CODE(NOT_SUPPORTED));
	if ((int)(u32)out[0] < 0) {
		TRY("SOC_ID that was not announced", ARCH_SOC_ID, 0);
		unknown();
		return;
	}
	for (u64 i = 0; i < 2; i++) {
		TRY("SOC_ID", ARCH_SOC_ID, i);
		kept(4);
		require((int)(u32)out[0] >= 0, "w0 not negative");
	}
	TRY("SOC_ID of an unknown type", ARCH_SOC_ID, 7);
	result(CODE(INVALID_PARAMETER));
}

static void workaround(const struct test *t)
{
	TRY("ARCH_FEATURES", ARCH_FEATURES, t->a);
	if (out[0] != 1)
		result((u32)t->b);
	kept(4);
	bool there = (int)(u32)out[0] >= 0;
	TRY(there ? "the workaround" : "a workaround that was not announced", t->a);
	if (there)
		kept(4);
	else
		unknown();
}

static void is_unknown(const struct test *t)
{
	TRY("calling a function that does not exist", t->a);
	unknown();
}

static void trng_version(const struct test *t)
{
	(void)t;
	TRY("TRNG_VERSION", TRNG_VERSION);
	kept(4);
	if ((int)(u32)out[0] == NOT_SUPPORTED)
		skip("the target has no TRNG");
	require(out[0] >= 0x10000 && out[0] >> 31 == 0, "x0 = 1.0 or later, or NOT_SUPPORTED");
}

static void trng_limits(const struct test *t)
{
	trng_version(t);
	TRY("TRNG_RND32", 0x84000053ul, t->a);
	result(CODE(-2));
	TRY("TRNG_RND64", 0xc4000053ul, t->b);
	result(CODE(-2));
}

#define ABSENT_OR_OK (CODE(SUCCESS) | CODE(NOT_SUPPORTED))
#define NO_FUNCTION(n, f) { "unknown-" n, SMCCC("Unknown Function Identifier"), is_unknown, 0, (f), 0, 0, 0 }
const struct test smccc_tests[] = {
	{ .name = "version", .rule = SMCCC("SMCCC_VERSION"), .run = version },
	{ .name = "version-through-psci-features", .rule = PSCI("PSCI_FEATURES"), .run = version_through_psci },
	{ .name = "results-keep-registers", .rule = REGISTERS, .run = keeps_registers, .a = SMCCC_VERSION, .b = ARCH_FEATURES },
	{ .name = "function-identifier-is-w0", .rule = SMCCC("Function identifiers"), .run = same_answer, .a = SMCCC_VERSION, .b = HIGH },
	{ .name = "sve-hint", .rule = HINT, .run = same_answer, .a = SMCCC_VERSION, .b = SVE },
	{ .name = "features-version", .rule = SMCCC("SMCCC_ARCH_FEATURES"), .run = features, .a = SMCCC_VERSION, .b = CODE(SUCCESS) },
	{ .name = "features-features", .rule = SMCCC("SMCCC_ARCH_FEATURES"), .run = features, .a = ARCH_FEATURES, .b = CODE(SUCCESS) },
	{ .name = "features-of-nothing", .rule = SMCCC("SMCCC_ARCH_FEATURES"), .run = features_unknown, .a = 0x80001234 },
	{ .name = "features-of-pv-time", .rule = SMCCC("SMCCC_ARCH_FEATURES"), .run = features_unknown, .a = 0xc5000020 },
	{ .name = "features-argument-is-w1", .rule = REGISTERS, .run = features, .a = SMCCC_VERSION | HIGH, .b = CODE(SUCCESS) },
	{ .name = "soc-id", .rule = SMCCC("SMCCC_ARCH_SOC_ID"), .run = soc_id },
	{ .name = "workaround-1", .rule = SMCCC("SMCCC_ARCH_FEATURES"), .run = workaround, .a = 0x80008000, .b = ABSENT_OR_OK },
	{ .name = "workaround-2", .rule = SMCCC("SMCCC_ARCH_FEATURES"), .run = workaround, .a = 0x80007fff, .b = ABSENT_OR_OK | CODE(NOT_REQUIRED) },
	{ .name = "workaround-3", .rule = SMCCC("SMCCC_ARCH_FEATURES"), .run = workaround, .a = 0x80003fff, .b = ABSENT_OR_OK },
	NO_FUNCTION("arch", 0x800000ff),
	NO_FUNCTION("arch-smc64", 0xc0000000),
	NO_FUNCTION("sip", 0x82000000),
	NO_FUNCTION("oem", 0x83000000),
	NO_FUNCTION("hypervisor", 0x85000001),
	NO_FUNCTION("vendor-hypervisor", 0x8600ff01),
	NO_FUNCTION("trusted-application", 0xb0000000),
	NO_FUNCTION("rsi", 0xc4000190),
	NO_FUNCTION("sdei", 0xc4000020),
	NO_FUNCTION("yielding", 0x02000000),
	NO_FUNCTION("yielding-standard", 0x04000000),
	NO_FUNCTION("zero", 0),
	NO_FUNCTION("all-ones", 0xffffffff),
	NO_FUNCTION("reserved-bits", 0x80020000),
	{ .name = "trng-version", .rule = "DEN0098, TRNG_VERSION", .run = trng_version },
	{ .name = "trng-no-bits", .rule = "DEN0098, TRNG_RND", .run = trng_limits, .a = 0, .b = 0 },
	{ .name = "trng-too-many-bits", .rule = "DEN0098, TRNG_RND", .run = trng_limits, .a = 97, .b = 193 },
};
const u32 nsmccc_tests = COUNT(smccc_tests);

/* PSCI. */
#define NO_AFFINITY 0x00fefeful
#define RESERVED    (1ul << 31)
enum { ON = 0, OFF = 1 };

/* What the second processor leaves behind, see probe.S. */
static volatile u64 *const left = (u64 *)BUF;

static void psci_version(const struct test *t)
{
	(void)t;
	TRY("PSCI_VERSION", PSCI_VERSION);
	kept(4);
	require(out[0] >= 0x10000 && out[0] < 0x20000, "1.x");
}

static void migrate_type(const struct test *t)
{
	(void)t;
	TRY("MIGRATE_INFO_TYPE", PSCI_MIGRATE_TYPE);
	if (out[0] != 2)
		result(CODE(NOT_SUPPORTED));
	kept(4);
}

static void psci_call(const struct test *t)
{
	TRY(t->name, t->a, t->b, t->d);
	result((u32)t->c);
}

static void migrate(const struct test *t)
{
	(void)t;
	TRY("MIGRATE", PSCI_MIGRATE64, mpidr[0]);
	result(CODE(NOT_SUPPORTED));
}

/* CPU_OFF, SYSTEM_OFF and SYSTEM_RESET are mandatory: where they are not announced, features-* say so, and they are not called. */
static void unannounced(const struct test *t)
{
	(void)t;
	for (u64 n = 0; n < 0x20; n++)
		for (u64 width = 0; width < 2; width++) {
			u64 f = (width ? 0xc4000000 : 0x84000000) + n;
			if (n == 2 || n == 8 || n == 9)
				continue;
			CALL(PSCI_FEATURES, f);
			if ((int)(u32)out[0] != NOT_SUPPORTED)
				continue;
			TRY("a function that was not announced", f, 0, 0, 0);
			result(CODE(NOT_SUPPORTED));
		}
}

static void psci_features_nothing(const struct test *t)
{
	(void)t;
	static const u32 f[] = { 0x8400001f, 0xc4000000, 0x84000063, 0x80001234, 0 };
	for (u32 i = 0; i < COUNT(f); i++) {
		TRY("PSCI_FEATURES of what is no PSCI function", PSCI_FEATURES, f[i]);
		result(CODE(NOT_SUPPORTED));
	}
}

static void psci_features_suspend(const struct test *t)
{
	(void)t;
	TRY("PSCI_FEATURES(CPU_SUSPEND)", PSCI_FEATURES, PSCI_CPU_SUSPEND64);
	kept(4);
	require((int)(u32)out[0] == -1 || ((u32)out[0] & ~3u) == 0, "bits 1:0 only, or NOT_SUPPORTED");
}

static void affinity_self(const struct test *t)
{
	(void)t;
	TRY("AFFINITY_INFO of the caller", PSCI_AFFINITY_INFO, mpidr[0], 0);
	RETURNS(ON);
	TRY("AFFINITY_INFO, SMC32", PSCI_INFO32, mpidr[0], 0);
	RETURNS(ON);
}

static void affinity_secondary(const struct test *t)
{
	(void)t;
	for (unsigned i = 1; i < ncpus; i++) {
		TRY("AFFINITY_INFO of a secondary", PSCI_AFFINITY_INFO, mpidr[i], 0);
		RETURNS(OFF);
	}
}

static void affinity_nobody(const struct test *t)
{
	(void)t;
	TRY("AFFINITY_INFO of nobody", PSCI_AFFINITY_INFO, NO_AFFINITY, 0);
	result(CODE(PSCI_INVALID));
	TRY("AFFINITY_INFO with reserved bits", PSCI_AFFINITY_INFO, mpidr[0] | RESERVED, 0);
	result(CODE(PSCI_INVALID));
}

static void affinity_level(const struct test *t)
{
	(void)t;
	TRY("AFFINITY_INFO of level 4", PSCI_AFFINITY_INFO, mpidr[0], 4);
	result(CODE(PSCI_INVALID));
}

static void affinity_upper(const struct test *t)
{
	(void)t;
	TRY("AFFINITY_INFO with bits above w1 and w2", PSCI_INFO32, mpidr[0] | 0xdeadul << 48, 0xbeeful << 32);
	RETURNS(ON);
}

static void on_self(const struct test *t)
{
	(void)t;
	TRY("CPU_ON of the caller", PSCI_CPU_ON, mpidr[0], (u64)secondary_probe, 0);
	result(CODE(PSCI_ALREADY_ON));
}

static void on_nobody(const struct test *t)
{
	(void)t;
	TRY("CPU_ON of nobody", PSCI_CPU_ON, NO_AFFINITY, (u64)secondary_probe, 0);
	result(CODE(PSCI_INVALID));
	TRY("CPU_ON with reserved bits", PSCI_CPU_ON, mpidr[ncpus - 1] | RESERVED, (u64)secondary_probe, 0);
	result(CODE(PSCI_INVALID));
}

/* Starts the second processor, which says what it found and switches itself off; waits until it is off. */
static void start(u64 function, u64 target, u64 entry, u64 context)
{
	for (u32 i = 0; i < 6; i++)
		left[i] = 0;
	left[5] = conduit == CONDUIT_HVC;
	TRY("CPU_ON", function, target, entry, context);
	result(CODE(SUCCESS));
}

static void wait_off(void)
{
	for (u32 i = 0; i < 100000000 && !left[4]; i++)
		;
	doing = "waiting for the second processor";
	require(left[4] == 1, "that it runs");
	for (u32 i = 0; i < 10000000; i++) {
		TRY("AFFINITY_INFO after CPU_OFF", PSCI_AFFINITY_INFO, mpidr[1], 0);
		if (out[0] != ON)
			break;
	}
	RETURNS(OFF);
}

static void on_starts(const struct test *t)
{
	(void)t;
	const u64 context = 0x1122334455667788;
	start(PSCI_CPU_ON, mpidr[1], (u64)secondary_probe, context);
	wait_off();
	doing = "CPU_ON";
	if (left[0] != context)
		reject("x0 = the context identifier at the entry point, not 0x%lx", left[0]);
	if (left[1] != (u64)boot_el << 2)
		reject("CurrentEL = EL%u at the entry point, not 0x%lx", boot_el, left[1]);
	if (left[2] & 0x1005)
		reject("SCTLR.{I,C,M} = 0 at the entry point, not 0x%lx", left[2]);
	if ((left[3] & 0xff00ffffff) != mpidr[1])
		reject("MPIDR_EL1 of the target, not 0x%lx", left[3]);
}

static void on_smc32_context(const struct test *t)
{
	(void)t;
	start(PSCI_CPU_ON32, mpidr[1], (u64)secondary_probe, 0x1122334455667788);
	wait_off();
	if (left[0] != 0x55667788)
		reject("x0 = the lower half of the context identifier, not 0x%lx", left[0]);
}

static void on_smc32(const struct test *t)
{
	(void)t;
	start(PSCI_CPU_ON32, mpidr[1] | 0xdeadul << 48, (u64)secondary_probe | 0xbeeful << 48, 0);
	wait_off();
}

static void cpu_off(const struct test *t)
{
	(void)t;
	for (u32 i = 0; i < 2; i++) {
		start(PSCI_CPU_ON, mpidr[1], (u64)secondary_probe, 0);
		wait_off();
	}
}

static void bad_entry(const struct test *t)
{
	TRY("CPU_ON at a bad address", PSCI_CPU_ON, mpidr[1], t->a, 0);
	result(CODE(PSCI_BAD_ADDRESS));
	TRY("AFFINITY_INFO after a refused CPU_ON", PSCI_AFFINITY_INFO, mpidr[1], 0);
	RETURNS(OFF);
	start(PSCI_CPU_ON, mpidr[1], (u64)secondary_probe, 0);
	wait_off();
}

static void suspend_reserved(const struct test *t)
{
	(void)t;
	TRY("CPU_SUSPEND with reserved bits", PSCI_CPU_SUSPEND64, 1 << 30, (u64)secondary_probe, 0);
	result(CODE(PSCI_INVALID) | CODE(NOT_SUPPORTED));
}

#define MANDATORY(f) { "features-" #f, PSCI("PSCI_FEATURES"), psci_features_ok, 0, f, 0, 0, 0 }
/* Nothing here calls FF-A: its version must not be locked before the cases about it. An entry point in lent memory is with the cases
 * about isolation. */
const struct test psci_tests[] = {
	{ .name = "version", .rule = PSCI("PSCI_VERSION"), .run = psci_version },
	{ .name = "sve-hint", .rule = HINT, .run = same_answer, .a = PSCI_VERSION, .b = SVE },
	{ .name = "keeps-registers", .rule = REGISTERS, .run = keeps_registers, .a = PSCI_VERSION },
	{ .name = "migrate-info-type", .rule = PSCI("MIGRATE_INFO_TYPE"), .run = migrate_type },
	{ .name = "no-migrate", .rule = PSCI("MIGRATE"), .run = migrate },
	{ .name = "version-has-no-smc64-form", .rule = PSCI("Function prototypes"), .run = psci_call, .a = 0xc4000000, .c = CODE(NOT_SUPPORTED) },
	{ .name = "unannounced-functions", .rule = PSCI("PSCI_FEATURES"), .run = unannounced },
	{ .name = "features-of-nothing", .rule = PSCI("PSCI_FEATURES"), .run = psci_features_nothing },
	{ .name = "features-of-cpu-suspend", .rule = PSCI("PSCI_FEATURES"), .run = psci_features_suspend },
	{ .name = "affinity-info-of-caller", .rule = PSCI("AFFINITY_INFO"), .run = affinity_self },
	{ .name = "affinity-info-of-secondary", .rule = PSCI("AFFINITY_INFO"), .run = affinity_secondary, .needs = NEED_CPUS },
	{ .name = "affinity-info-of-nobody", .rule = PSCI("AFFINITY_INFO"), .run = affinity_nobody },
	{ .name = "affinity-info-level", .rule = PSCI("AFFINITY_INFO"), .run = affinity_level },
	{ .name = "affinity-info-upper-half", .rule = REGISTERS, .run = affinity_upper },
	{ .name = "cpu-on-already-on", .rule = PSCI("CPU_ON"), .run = on_self },
	{ .name = "cpu-on-nobody", .rule = PSCI("CPU_ON"), .run = on_nobody },
	{ .name = "cpu-on-smc32", .rule = PSCI("CPU_ON"), .run = on_smc32, .needs = NEED_CPUS },
	{ .name = "cpu-on-starts", .rule = PSCI("CPU_ON, initial core configuration"), .run = on_starts, .needs = NEED_CPUS },
	{ .name = "cpu-on-smc32-context", .rule = PSCI("CPU_ON"), .run = on_smc32_context, .needs = NEED_CPUS },
	{ .name = "cpu-off", .rule = PSCI("CPU_OFF"), .run = cpu_off, .needs = NEED_CPUS },
	{ .name = "cpu-suspend-reserved", .rule = PSCI("CPU_SUSPEND"), .run = suspend_reserved },
	MANDATORY(0x84000000),
	MANDATORY(0x8400000a),
	MANDATORY(0x84000003),
	MANDATORY(0xc4000003),
	MANDATORY(0x84000004),
	MANDATORY(0xc4000004),
	MANDATORY(0x84000002),
	MANDATORY(0x84000001),
	MANDATORY(0xc4000001),
	MANDATORY(0x84000008),
	MANDATORY(0x84000009),
	{ .name = "cpu-on-entry-misaligned", .rule = PSCI("CPU_ON"), .run = bad_entry, .needs = NEED_CPUS, .a = BUF + 0x1002 },
	{ .name = "cpu-on-entry-device", .rule = PSCI("CPU_ON"), .run = bad_entry, .needs = NEED_CPUS, .a = DEVICE },
	{ .name = "cpu-on-entry-wild", .rule = PSCI("CPU_ON"), .run = bad_entry, .needs = NEED_CPUS, .a = 1ul << 63 | 0x1000 },
	{ .name = "cpu-on-entry-secure-memory", .rule = PSCI("CPU_ON"), .run = bad_entry, .needs = NEED_CPUS, .a = SECURE_RAM },
};
const u32 npsci_tests = COUNT(psci_tests);
