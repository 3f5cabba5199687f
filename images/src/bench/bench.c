/*
 * A mixed workload with a known result: integer arithmetic with division, a sieve, a sort, matrix multiplication in double,
 * memory copies and a table-driven CRC. The host measures time and retired instructions. rounds=N on the kernel's command line
 * changes the length; each round is about 1.2 million instructions.
 */
#include "rt.h"

enum { ROUNDS = 167 };
/* The checksum after ROUNDS rounds; bench_test.go computes it with a model of its own. */
#define CHECKSUM 0x3438153ba4f1e64eul

enum { NUMBERS = 20000, SIEVE = 8192, PRIMES = 1028, SORT = 1024, DIM = 24, BLOCK = 16384 };

static u64 state = 0x2545f4914f6cdd1d;
static u64 sum;

static u8 composite[SIEVE];
static u32 values[SORT];
static double a[DIM][DIM], b[DIM][DIM], c[DIM][DIM];
static u64 from[BLOCK / 8], to[BLOCK / 8];
static u32 crc_table[256];

/* xorshift64 (Marsaglia, 2003). */
static u64 next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static void mix(u64 v) { sum = (sum << 13 | sum >> 51) + v * 0x9e3779b97f4a7c15; }

static void integers(void)
{
	for (u64 i = 1; i <= NUMBERS; i++) {
		u64 v = next();
		mix(v / i + v % 1000003);
		mix((u64)((int64_t)v >> 5) ^ (u32)v * (v >> 32));
	}
}

static u64 sieve(void)
{
	u64 primes = 0, last = 0;
	memset(composite, 0, sizeof composite);
	for (u32 i = 2; i < SIEVE; i++) {
		if (composite[i])
			continue;
		primes++;
		last = i;
		for (u32 k = 2 * i; k < SIEVE; k += i)
			composite[k] = 1;
	}
	mix(primes << 32 | last);
	return primes;
}

static void sort(void)
{
	static const u32 gaps[] = { 701, 301, 132, 57, 23, 10, 4, 1 };
	for (u32 i = 0; i < SORT; i++)
		values[i] = (u32)next();
	for (u32 g = 0; g < sizeof gaps / sizeof gaps[0]; g++)
		for (u32 i = gaps[g]; i < SORT; i++) {
			u32 v = values[i], k = i;
			for (; k >= gaps[g] && values[k - gaps[g]] > v; k -= gaps[g])
				values[k] = values[k - gaps[g]];
			values[k] = v;
		}
	for (u32 i = 0; i < SORT; i++)
		mix(values[i]);
}

static double small(void) { return (double)((int64_t)(next() & 0xffff) - 0x8000) / 256.0; }

static void matrices(void)
{
	for (u32 i = 0; i < DIM; i++)
		for (u32 k = 0; k < DIM; k++) {
			a[i][k] = small();
			b[i][k] = small();
		}
	double trace = 0;
	for (u32 i = 0; i < DIM; i++) {
		for (u32 k = 0; k < DIM; k++) {
			double s = 0;
			for (u32 j = 0; j < DIM; j++)
				s += a[i][j] * b[j][k];
			c[i][k] = s / 3.0;
		}
		trace += __builtin_sqrt(__builtin_fabs(c[i][i])) * 0.1;
	}
	u64 bits;
	memcpy(&bits, &trace, 8);
	mix(bits);
	for (u32 i = 0; i < DIM; i++) {
		memcpy(&bits, &c[i][DIM - 1 - i], 8);
		mix(bits);
	}
}

static void memory(void)
{
	for (u32 i = 0; i < BLOCK / 8; i++)
		from[i] = next();
	for (u32 i = 0; i < 8; i++) {
		memcpy(to, from, sizeof to);
		memcpy(from, (u8 *)to + 8 * i, sizeof to - 8 * i);
	}
	u32 crc = 0xffffffff;
	const u8 *p = (const u8 *)to;
	for (u32 i = 0; i < BLOCK; i++)
		crc = crc_table[(crc ^ p[i]) & 0xff] ^ crc >> 8;
	mix(~crc);
}

static void make_crc_table(void)
{
	for (u32 i = 0; i < 256; i++) {
		u32 v = i;
		for (int k = 0; k < 8; k++)
			v = v & 1 ? 0xedb88320 ^ v >> 1 : v >> 1;
		crc_table[i] = v;
	}
}

int image_main(void)
{
	u64 rounds = option("rounds", ROUNDS);
	bool primes_ok = true;
	mmu_on();
	make_crc_table();
	for (u64 i = 0; i < rounds; i++) {
		integers();
		primes_ok &= sieve() == PRIMES;
		sort();
		matrices();
		memory();
	}
	char saw[24], expect[24];
	step(primes_ok, "bench", "primes", "1028", primes_ok ? "1028" : "other", "%s", "");
	format_to(saw, sizeof saw, "%016lx", sum);
	format_to(expect, sizeof expect, "%016lx", rounds == ROUNDS ? CHECKSUM : sum);
	step(equal(saw, expect), "bench", "checksum", expect, saw, "rounds=%lu", rounds);
	return verdict();
}
