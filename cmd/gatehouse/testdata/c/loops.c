#include "lib.h"

static u8 composite[20000];

static u32 gcd(u32 a, u32 b)
{
	while (b) {
		u32 t = a % b;
		a = b;
		b = t;
	}
	return a;
}

int main(void)
{
	u32 longest = 0, at = 0;
	for (u32 n = 1; n < 30000; n++) {
		u32 steps = 0;
		for (u64 x = n; x != 1; steps++)
			x = x & 1 ? 3 * x + 1 : x / 2;
		if (steps > longest)
			longest = steps, at = n;
	}
	print("collatz %u at %u\n", longest, at);

	u32 primes = 0, last = 0;
	for (u32 i = 2; i < COUNT(composite); i++) {
		if (composite[i])
			continue;
		primes++;
		last = i;
		for (u32 j = i * i; i < 142 && j < COUNT(composite); j += i)
			composite[j] = 1;
	}
	print("primes %u, the last is %u\n", primes, last);

	u64 a = 0, b = 1;
	for (int i = 0; i < 93; i++) {
		u64 t = a + b;
		a = b;
		b = t;
	}
	print("fibonacci %lu\n", a);

	u32 coprime = 0;
	for (u32 i = 1; i <= 300; i++)
		for (u32 j = 1; j <= 300; j++)
			coprime += gcd(i, j) == 1;
	print("coprime %u\n", coprime);

	s64 sum = 0;
	for (int i = -1000; i < 1000; i += 7)
		for (int j = 1000; j > -1000; j -= 13)
			sum += (s64)i * j - (i ^ j) + (i >> 3) - (j << 2);
	print("sum %ld\n", sum);
	do {
		sum -= 1000003;
		if (sum % 17 == 3)
			continue;
		if (sum % 19 == 5)
			break;
	} while (sum > 0);
	print("rest %ld\n", sum);
	return 0;
}
