#include "conform.h"

u32 smccc_version, ffa_version, smc_caps;
u64 mpidr[MAX_CPUS];
unsigned ncpus;
u16 optee_id;
bool have_dma, have_ffa, have_smc;
static bool ffa_pools, optee_searched;

struct group groups[] = {
	{ "smccc", smccc_tests, 0, NEED_SMCCC },
	{ "psci", psci_tests, 0, 0 },
	{ "ffa-setup", setup_tests, 0, NEED_FFA },
	{ "ffa-discovery", discovery_tests, 0, NEED_FFA },
	{ "ffa-message", message_tests, 0, NEED_FFA | LINUX },
	{ "ffa-memory", memory_tests, 0, NEED_FFA | LINUX },
	{ "ffa-memory-negative", NULL, 0, NEED_FFA | LINUX },
	{ "optee-ffa", optee_ffa_tests, 0, NEED_FFA | LINUX },
	{ "optee-smc", optee_smc_tests, 0, NEED_SMC | OVER_SMC },
	{ "protmem", protmem_tests, 0, 0 },
	{ "isolation", isolation_tests, 0, 0 },
};
const u32 ngroups = COUNT(groups);

/* The case that runs. */
static const struct group *group;
static const struct test *test;
static u32 number, passed, failed, skipped;
static enum { RUNNING, FAILED, SKIPPED } state;
static bool cleaning;
static u64 here[14];
static char choice[256], left[200];

static void yaml_registers(const char *key, const u64 *r)
{
	unsigned n = 8;
	for (unsigned i = 8; i < 18; i++)
		if (out[i] != in[i])
			n = i + 1;
	print("  %s: \"", key);
	for (unsigned i = 0; i < n; i++)
		print("%s0x%lx", i ? " " : "", r[i]);
	print("\"\n");
}

static void not_ok(const char *what, const char *expected)
{
	print("not ok %u - %s/%s\n  ---\n  message: \"%s\"\n", number, group->name, test->name, what);
	yaml_registers("call", in);
	print("  expected: \"%s\"\n", expected);
	yaml_registers("got", out);
	print("  rule: \"%s\"\n  ...\n", test->rule);
}

_Noreturn void reject(const char *expected, ...)
{
	char text[200];
	va_list ap;
	va_start(ap, expected);
	format_va(text, sizeof text, expected, ap);
	va_end(ap);
	if (cleaning) {
		if (!left[0])
			format_to(left, sizeof left, "%s: x0 = 0x%lx, x2 = 0x%lx, expected %s", doing, out[0], out[2], text);
		resume(here);
	}
	state = FAILED;
	not_ok(doing, text);
	resume(here);
}

_Noreturn void skip(const char *reason, ...)
{
	char text[120];
	va_list ap;
	va_start(ap, reason);
	format_va(text, sizeof text, reason, ap);
	va_end(ap);
	state = SKIPPED;
	print("ok %u - %s/%s # SKIP %s\n", number, group->name, test->name, text);
	resume(here);
}

void chose(const char *what)
{
	if (!cleaning)
		format_to(choice, sizeof choice, "%s: %s", doing, what);
}

/* The first thing that a case needs and that is not there, or NULL. */
static const char *missing(u32 needs)
{
	if (needs & NEED_SMCCC && !smccc_version)
		return "no SMCCC 1.1 or later";
	if (needs & (NEED_FFA | NEED_FFA12 | OPTEE | BUFFERS) && !have_ffa)
		return "no FF-A 1.1 or later";
	if (needs & NEED_FFA12 && ffa_version < 0x10002)
		return "FF-A is older than 1.2";
	if (needs & OPTEE && optee_searched && !optee_id)
		return "no OP-TEE behind FF-A";
	if (needs & (NEED_SMC | OVER_SMC) && !have_smc)
		return "no OP-TEE SMC ABI";
	if (needs & NEED_CPUS && ncpus < 2)
		return "one processor";
	if (needs & NEED_DMA && !have_dma)
		return "no PL080";
	if (needs & POOLS && needs & OVER_SMC && !(smc_caps >> 9 & 1))
		return "no dynamic protected memory over OP-TEE's SMC ABI";
	if (needs & POOLS && !(needs & OVER_SMC) && optee_searched && !ffa_pools)
		return "no protected memory over FF-A";
	return NULL;
}

/* OP-TEE is looked for when a case needs it first: before, the version must not be locked. */
static void search(void)
{
	optee_searched = true;
	if (find_optee()) {
		doing = "EXCHANGE_CAPABILITIES";
		request(CAPABILITIES, 0, 0, 0, 0);
		ffa_pools = out[3] == 0 && out[5] >> 3 & 1;
	}
}

static void start(u32 needs)
{
	over_smc = needs & OVER_SMC;
	if (needs & BUFFERS)
		map_buffers();
	if (needs & OPTEE && !optee_searched)
		search();
	const char *reason = missing(needs);
	if (reason)
		skip("%s", reason);
	test->run(test);
}

static void run_one(const char *ended)
{
	number++;
	state = RUNNING;
	choice[0] = 0;
	left[0] = 0;
	const char *reason = ended ? ended : missing(group->needs | test->needs);
	if (reason) {
		print("ok %u - %s/%s # SKIP %s\n", number, group->name, test->name, reason);
		skipped++;
		return;
	}
	cleaning = false;
	memset(in, 0, sizeof in);
	memset(out, 0, sizeof out);
	if (!checkpoint(here))
		start(group->needs | test->needs);
	cleaning = true;
	checkpoint(here); /* comes back for each thing that cannot be undone */
	clean();
	if (left[0] && state != FAILED) {
		not_ok(left, "a case that can be undone");
		state = FAILED;
	}
	passed += state == RUNNING;
	failed += state == FAILED;
	skipped += state == SKIPPED;
	if (state == RUNNING)
		print("ok %u - %s/%s\n", number, group->name, test->name);
	if (state == RUNNING && choice[0])
		print("# %s\n", choice);
}

static u32 ask_version(u32 v)
{
	CALL(FFA_VERSION, v);
	return (u32)out[0];
}

static void detect(void)
{
	CALL(PSCI_VERSION);
	u32 psci = (u32)out[0];
	CALL(SMCCC_VERSION);
	smccc_version = (int)out[0] >= 0x10001 ? (u32)out[0] : 0;
	ncpus = fdt_cpus(mpidr, MAX_CPUS);
	if (ncpus == 0)
		ncpus = 1;
	u64 self = sysreg_read("mpidr_el1") & 0xff00ffffff;
	for (unsigned i = 0; i < ncpus; i++)
		if (mpidr[i] == self)
			mpidr[i] = mpidr[0];
	mpidr[0] = self;
	if (smccc_version) {
		u32 v = ask_version(0x10002);
		have_ffa = (int)v >= 0x10001 && v < 0x20000;
		ffa_version = !have_ffa ? 0 : v < 0x10002 ? v : 0x10002;
	}
	CALL(0xbf00ff01);
	have_smc = out[0] == 0x384fb3e0 && out[1] == 0xe7f811e3 && out[2] == 0xaf630002 && out[3] == 0xa5d5c51b;
	if (have_smc) {
		CALL(0xb2000009, 0);
		smc_caps = out[0] == 0 ? (u32)out[1] : 0;
	}
	find_dma();
	print("# entered at EL%u, calls by %s, %u processors\n", boot_el, conduit == CONDUIT_HVC ? "HVC" : "SMC", ncpus);
	print("# PSCI %u.%u, SMCCC %u.%u\n", psci >> 16, psci & 0xffff, smccc_version ? smccc_version >> 16 : 1, smccc_version & 0xffff);
	if (have_ffa)
		print("# FF-A %u.%u\n", ffa_version >> 16, ffa_version & 0xffff);
	if (have_smc)
		print("# OP-TEE over SMC, capabilities 0x%x\n", smc_caps);
	print("# PL080: %s\n", have_dma ? "yes" : "no");
}

/* RAM is cacheable but for the memory that is lent and probed. */
static NOINIT u64 blocks[512] __attribute__((aligned(PAGE)));

static void map_memory(void)
{
	mmu_tables();
	for (u64 i = 0; i < 512; i++) {
		u64 at = 0x40000000 + i * 2 * MIB;
		blocks[i] = at | PTE_BLOCK | (at >= UNCACHED && at < UNCACHED_END ? PTE_UNCACHED : PTE_NORMAL) | PTE_INNER | PTE_AF;
	}
	mmu_l1[1] = (u64)blocks | PTE_TABLE;
	mmu_enable();
}

static void list_cases(void)
{
	for (u32 g = 0; g < ngroups; g++)
		for (u32 i = 0; i < groups[g].count; i++)
			print("%s/%s\t%s\n", groups[g].name, groups[g].tests[i].name, groups[g].tests[i].rule);
}

int image_main(void)
{
	map_memory();
	const u32 counts[] = { nsmccc_tests, npsci_tests, nsetup_tests, ndiscovery_tests, nmessage_tests, nmemory_tests, 0, noptee_ffa_tests,
		noptee_smc_tests, nprotmem_tests, nisolation_tests };
	u32 total = 0;
	for (u32 g = 0; g < ngroups; g++) {
		groups[g].count = counts[g];
		if (!groups[g].tests)
			groups[g].tests = negative_tests(&groups[g].count);
		total += groups[g].count;
	}
	if (option("list", 0)) {
		list_cases();
		return 0;
	}
	print("TAP version 14\n1..%u\n", total);
	detect();
	for (u32 g = 0; g < ngroups; g++) {
		static char ended[80];
		group = &groups[g];
		ended[0] = 0;
		for (u32 i = 0; i < group->count; i++) {
			test = &group->tests[i];
			run_one(ended[0] ? ended : NULL);
			if (left[0] && !ended[0]) {
				print("# group %s bails out: %s\n", group->name, left);
				format_to(ended, sizeof ended, "the group bailed out: %s left something behind", test->name);
			}
		}
	}
	print("# verdict %s cases=%u passed=%u skipped=%u failed=%u\n", failed ? "FAIL" : "ok", total, passed, skipped, failed);
	return failed != 0;
}
