#include "lib.h"

/* FIPS 180-4. The constants are computed: fractional parts of cube and square roots of the first primes. */
static u32 k[64], initial[8];

static u32 fraction(double x) { return (u32)((x - (double)(u32)x) * 4294967296.0); }

static double cube_root(double x)
{
	double r = x;
	for (int i = 0; i < 100; i++)
		r -= (r * r * r - x) / (3 * r * r);
	return r;
}

static void constants(void)
{
	u32 n = 0;
	for (u32 p = 2; n < 64; p++) {
		bool prime = true;
		for (u32 d = 2; d * d <= p; d++)
			prime &= p % d != 0;
		if (!prime)
			continue;
		k[n] = fraction(cube_root(p));
		if (n < 8)
			initial[n] = fraction(__builtin_sqrt(p));
		n++;
	}
}

static u32 ror(u32 v, int n) { return v >> n | v << (32 - n); }

static void block(u32 h[8], const u8 *p)
{
	u32 w[64], s[8];
	for (int i = 0; i < 16; i++)
		w[i] = (u32)p[4 * i] << 24 | (u32)p[4 * i + 1] << 16 | (u32)p[4 * i + 2] << 8 | p[4 * i + 3];
	for (int i = 16; i < 64; i++) {
		u32 a = w[i - 15], b = w[i - 2];
		w[i] = w[i - 16] + w[i - 7] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) + (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
	}
	memcpy(s, h, sizeof s);
	for (int i = 0; i < 64; i++) {
		u32 t1 = s[7] + (ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + k[i] + w[i];
		u32 t2 = (ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
		for (int j = 7; j > 0; j--)
			s[j] = s[j - 1];
		s[4] += t1;
		s[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		h[i] += s[i];
}

static void sha256(const u8 *p, u64 n)
{
	u32 h[8];
	u8 last[128] = { 0 };
	memcpy(h, initial, sizeof h);
	u64 rest = n;
	for (; rest >= 64; rest -= 64, p += 64)
		block(h, p);
	memcpy(last, p, rest);
	last[rest] = 0x80;
	u64 size = rest < 56 ? 64 : 128;
	for (int i = 0; i < 8; i++)
		last[size - 1 - (u64)i] = (u8)(n * 8 >> (8 * i));
	for (u64 i = 0; i < size; i += 64)
		block(h, last + i);
	for (int i = 0; i < 8; i++)
		print("%08x", h[i]);
	put('\n');
}

static u8 text[5000];

int main(void)
{
	constants();
	sha256((const u8 *)"", 0);
	sha256((const u8 *)"abc", 3);
	sha256((const u8 *)"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56);
	for (u32 i = 0; i < sizeof text; i++)
		text[i] = (u8)(i * i >> 3);
	for (u32 n = 50; n < sizeof text; n += 611)
		sha256(text, n);
	return 0;
}
