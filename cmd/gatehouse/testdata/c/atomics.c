#include "lib.h"

static u64 word;
static u32 half;
static u8 byte;
static struct { u64 v[2]; } __attribute__((aligned(16))) pair;

int main(void)
{
	u64 seed = 53, h = 0;
	for (int i = 0; i < 2000; i++) {
		u64 v = (u64)next(&seed) << 20 | next(&seed);
		h = h * 31 + __atomic_fetch_add(&word, v, __ATOMIC_SEQ_CST);
		h = h * 31 + __atomic_fetch_xor(&half, (u32)v, __ATOMIC_ACQUIRE);
		h = h * 31 + __atomic_fetch_or(&byte, (u8)(v & 0x11), __ATOMIC_RELEASE);
		h = h * 31 + __atomic_exchange_n(&byte, (u8)v, __ATOMIC_RELAXED);
		h = h * 31 + __atomic_fetch_and(&half, ~(u32)i, __ATOMIC_SEQ_CST);
		u64 expected = i % 3 ? __atomic_load_n(&word, __ATOMIC_ACQUIRE) : v;
		bool done = __atomic_compare_exchange_n(&word, &expected, v ^ 5, i & 1, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
		h = h * 31 + done + expected;
		__atomic_store_n(&pair.v[i & 1], h, __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	print("%lx %x %x %lx %lx %lx\n", word, half, byte, pair.v[0], pair.v[1], h);

	/* Exclusive pairs, and a store that must fail after CLREX. */
	u64 a, b;
	u32 failed, tries = 0;
	do {
		__asm__ volatile("ldaxp %0, %1, [%2]" : "=&r"(a), "=&r"(b) : "r"(&pair) : "memory");
		__asm__ volatile("stlxp %w0, %1, %2, [%3]" : "=&r"(failed) : "r"(b + 1), "r"(a - 1), "r"(&pair) : "memory");
		tries++;
	} while (failed && tries < 100);
	print("pair %lx %lx %u\n", pair.v[0], pair.v[1], failed);
	__asm__ volatile("ldxr %0, [%2]\n\tclrex\n\tstxr %w1, %0, [%2]" : "=&r"(a), "=&r"(failed) : "r"(&word) : "memory");
	print("cleared %u\n", failed);
	return 0;
}
