#include "lib.h"

#define WORDS 64

static u32 multiply(u32 *v, u32 n, u32 by)
{
	u64 carry = 0;
	for (u32 i = 0; i < n; i++) {
		carry += (u64)v[i] * by;
		v[i] = (u32)carry;
		carry >>= 32;
	}
	if (carry)
		v[n++] = (u32)carry;
	return n;
}

static u32 divide(u32 *v, u32 n, u32 by)
{
	u64 rest = 0;
	for (u32 i = n; i-- > 0;) {
		rest = rest << 32 | v[i];
		v[i] = (u32)(rest / by);
		rest %= by;
	}
	return (u32)rest;
}

static void show(u32 *v, u32 n)
{
	u32 parts[WORDS * 2], k = 0;
	while (n) {
		parts[k++] = divide(v, n, 1000000000);
		while (n && v[n - 1] == 0)
			n--;
	}
	print("%u", parts[--k]);
	while (k--)
		print("%09u", parts[k]);
	put('\n');
}

int main(void)
{
	static u32 v[WORDS] = { 1 };
	u32 n = 1;
	for (u32 i = 2; i <= 150; i++) {
		n = multiply(v, n, i);
		if (i % 50 == 0) {
			u32 copy[WORDS];
			memcpy(copy, v, sizeof copy);
			print("%u! = ", i);
			show(copy, n);
		}
	}

	/* Digits of pi by a spigot. */
	static u32 r[1400];
	for (u32 i = 0; i < COUNT(r); i++)
		r[i] = 2000;
	for (u32 k = COUNT(r) - 1, old = 0; k > 13; k -= 14) {
		u64 d = 0;
		u32 i = k;
		for (;;) {
			d += (u64)r[i] * 10000;
			u64 m = 2 * (u64)i - 1;
			r[i] = (u32)(d % m);
			d /= m;
			if (--i == 0)
				break;
			d *= i;
		}
		print("%04u", old + (u32)(d / 10000));
		old = (u32)(d % 10000);
	}
	put('\n');

	/* e with 128-bit fractions. */
	unsigned __int128 e = 0, term = (unsigned __int128)1 << 120;
	for (u32 i = 1; term; i++) {
		e += term;
		u64 hi = (u64)(term >> 64), lo = (u64)term, rest = hi % i;
		hi /= i;
		u64 q = 0;
		for (int bit = 63; bit >= 0; bit--) {
			rest = rest << 1 | (lo >> bit & 1);
			q <<= 1;
			if (rest >= i)
				rest -= i, q |= 1;
		}
		term = (unsigned __int128)hi << 64 | q;
	}
	print("e = %lx.%016lx\n", (u64)(e >> 120), (u64)(e >> 56));
	return 0;
}
