#include "lib.h"

static u64 power(u64 base, u64 e, u64 m)
{
	u64 r = 1;
	for (; e; e >>= 1) {
		if (e & 1)
			r = r * base % m;
		base = base * base % m;
	}
	return r;
}

int main(void)
{
	volatile s64 a[] = { 0, 1, -1, 7, -7, 1000000007, -1000000007, 9223372036854775807, -9223372036854775807 - 1, 0x123456789abcdef };
	for (u32 i = 0; i < COUNT(a); i++)
		for (u32 k = 0; k < COUNT(a); k++) {
			s64 x = a[i], y = a[k];
			/* The instruction is defined where C is not. */
			s64 q;
			u64 uq;
			s32 qw;
			u32 uw;
			__asm__("sdiv %0, %1, %2" : "=r"(q) : "r"(x), "r"(y));
			__asm__("udiv %0, %1, %2" : "=r"(uq) : "r"(x), "r"(y));
			__asm__("sdiv %w0, %w1, %w2" : "=r"(qw) : "r"(x), "r"(y));
			__asm__("udiv %w0, %w1, %w2" : "=r"(uw) : "r"(x), "r"(y));
			print("%lx %lx %x %x\n", q, uq, qw, uw);
		}

	u64 seed = 17, h = 0;
	for (int i = 0; i < 5000; i++) {
		u64 x = (u64)next(&seed) << 32 | next(&seed), y = ((u64)next(&seed) << 32 | next(&seed)) >> i % 60 | 1;
		s64 sx = (s64)x, sy = (s64)y >> 1 | 1;
		h = h * 31 + x / y + x % y + (u64)(sx / sy) + (u64)(sx % sy) + x / 10 + (u64)(sx / 7) + (u64)(sx % 1000) + (u32)x / 3 + (u16)x % 11;
		unsigned __int128 p = (unsigned __int128)x * y;
		__int128 sp = (__int128)sx * sy;
		h ^= (u64)(p >> 64) + (u64)p + (u64)(sp >> 64);
		u64 o;
		h += __builtin_mul_overflow(x, y, &o) + 2u * __builtin_add_overflow(x, y, &o) + 4u * __builtin_sub_overflow(sx, sy, (s64 *)&o);
	}
	print("digest %lx\n", h);
	print("power %lu %lu\n", power(3, 1000000, 1000000007), power(2, 4294967291u - 1, 4294967291u));

	s32 small[] = { -2147483647 - 1, -100, -1, 1, 99, 2147483647 };
	for (u32 i = 0; i < COUNT(small); i++) {
		volatile s32 v = small[i];
		print("%d %d %d %d %d %u\n", v / 2, v % 2, v / 10, v % 10, v / 16, (u32)v % 1000);
	}
	u64 f = 1;
	for (u64 i = 2; i <= 20; i++)
		f *= i;
	print("20! %lu\n", f);
	for (u64 i = 2; f > 1; i++)
		while (f % i == 0) {
			print("%lu ", i);
			f /= i;
		}
	put('\n');
	return 0;
}
