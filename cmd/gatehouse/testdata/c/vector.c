#include "lib.h"

/* Loops that the compiler turns into Advanced SIMD at -O3. */
#define N 1027
static s8 b1[N], b2[N], b3[N];
static u8 u1[N], u2[N], u3[3 * N];
static s16 h1[N], h2[N], h3[N];
static u16 uh[N];
static s32 w1[N], w2[N], w3[N];
static s64 l1[N], l2[N], l3[N];
static float f1[N], f2[N], f3[N];
static double d1[N], d2[N], d3[N];

#define SHOW(a) print("%-4s %-10s %lx\n", #a, __func__, digest(a, sizeof(a)))
#define EACH for (int i = 0; i < N; i++)
#define CASE __attribute__((noinline)) static void

CASE fill(void)
{
	u64 seed = 41;
	EACH {
		b1[i] = (s8)next(&seed); b2[i] = (s8)next(&seed); u1[i] = (u8)next(&seed); u2[i] = (u8)next(&seed);
		h1[i] = (s16)next(&seed); h2[i] = (s16)next(&seed); uh[i] = (u16)next(&seed);
		w1[i] = (s32)next(&seed); w2[i] = (s32)next(&seed) >> 12;
		l1[i] = (s64)((u64)next(&seed) << 32 | next(&seed)); l2[i] = (s64)next(&seed) - 2000000000;
		f1[i] = (float)(s32)next(&seed) / 65536; f2[i] = (float)(s32)next(&seed) / 1e9f;
		d1[i] = (s32)next(&seed) / 1024.0; d2[i] = (s32)next(&seed) / 1e7;
	}
}

CASE arithmetic(void)
{
	EACH b3[i] = (s8)(b1[i] + b2[i] * 3);
	EACH h3[i] = (s16)(h1[i] * h2[i] - h1[i]);
	EACH w3[i] = w1[i] * w2[i] + (w1[i] ^ w2[i]);
	EACH l3[i] = l1[i] - l2[i] + (l1[i] & l2[i]);
	SHOW(b3); SHOW(h3); SHOW(w3); SHOW(l3);
	EACH f3[i] = f1[i] * f2[i] + 1.5f;
	EACH d3[i] = d1[i] / d2[i] - d1[i];
	SHOW(f3); SHOW(d3);
}

CASE minmax(void)
{
	EACH b3[i] = b1[i] < b2[i] ? b1[i] : b2[i];
	EACH h3[i] = h1[i] > h2[i] ? h1[i] : h2[i];
	EACH w3[i] = w1[i] < 0 ? -w1[i] : w1[i];
	EACH u3[i] = u1[i] > u2[i] ? u1[i] - u2[i] : u2[i] - u1[i];
	EACH f3[i] = f1[i] > f2[i] ? f1[i] : f2[i];
	EACH d3[i] = d1[i] < 0 ? -d1[i] : d2[i];
	SHOW(b3); SHOW(h3); SHOW(w3); SHOW(u3); SHOW(f3); SHOW(d3);
}

CASE saturate(void)
{
	EACH {
		int v = u1[i] + u2[i];
		u3[i] = (u8)(v > 255 ? 255 : v);
	}
	EACH {
		int v = h1[i] - h2[i];
		h3[i] = (s16)(v > 32767 ? 32767 : v < -32768 ? -32768 : v);
	}
	EACH b3[i] = (s8)(h1[i] > 127 ? 127 : h1[i] < -128 ? -128 : h1[i]);
	SHOW(u3); SHOW(h3); SHOW(b3);
}

CASE widen(void)
{
	EACH h3[i] = (s16)(b1[i] * b2[i]);
	EACH w3[i] = h1[i] * uh[i];
	EACH l3[i] = (s64)w1[i] * w2[i];
	SHOW(h3); SHOW(w3); SHOW(l3);
	EACH u3[i] = (u8)((u1[i] + u2[i] + 1) >> 1);
	EACH h3[i] = (s16)(w1[i] >> 9);
	EACH w3[i] = (s32)(l1[i] >> 17);
	EACH b3[i] = (s8)(w1[i] >> 5);
	SHOW(u3); SHOW(h3); SHOW(w3); SHOW(b3);
}

CASE shifts(void)
{
	EACH w3[i] = (s32)((u32)w1[i] << (w2[i] & 31));
	EACH l3[i] = l1[i] >> (l2[i] & 63);
	EACH uh[i] = (u16)(uh[i] >> 3 | uh[i] << 13);
	EACH w1[i] = (s32)__builtin_bswap32((u32)w1[i]);
	SHOW(w3); SHOW(l3); SHOW(uh); SHOW(w1);
}

CASE convert(void)
{
	EACH f3[i] = (float)w1[i];
	EACH d3[i] = (double)w2[i] + (double)f1[i];
	SHOW(f3); SHOW(d3);
	EACH w3[i] = (s32)f1[i];
	EACH l3[i] = (s64)d1[i];
	EACH f3[i] = (float)d1[i];
	EACH d3[i] = (double)l1[i] + (double)(u64)l2[i];
	EACH h3[i] = (s16)(s32)(f1[i] / 8);
	SHOW(w3); SHOW(l3); SHOW(f3); SHOW(d3); SHOW(h3);
	EACH d3[i] = __builtin_floor(d1[i]) + __builtin_sqrt(d1[i] < 0 ? -d1[i] : d1[i]);
	EACH f3[i] = __builtin_truncf(f1[i]) * __builtin_fabsf(f2[i]);
	SHOW(d3); SHOW(f3);
}

CASE strided(void)
{
	for (int i = 0; i < N; i++) {
		u3[3 * i] = u1[i];
		u3[3 * i + 1] = u2[i];
		u3[3 * i + 2] = (u8)(u1[i] ^ u2[i]);
	}
	SHOW(u3);
	EACH u1[i] = (u8)((u3[3 * i] * 77 + u3[3 * i + 1] * 150 + u3[3 * i + 2] * 29) >> 8);
	for (int i = 0; i < N / 2; i++) {
		w3[2 * i] = w1[i] + w2[2 * i];
		w3[2 * i + 1] = w1[i] - w2[2 * i + 1];
	}
	for (int i = 0; i < N / 4; i++)
		f3[i] = f1[4 * i] + f1[4 * i + 1] * f1[4 * i + 2] - f1[4 * i + 3];
	EACH h3[i] = h1[N - 1 - i];
	EACH b3[i] = b1[N - 1 - i];
	SHOW(u1); SHOW(w3); SHOW(f3); SHOW(h3); SHOW(b3);
}

CASE reduce(void)
{
	s32 sum = 0, most = -2147483647 - 1, least = 2147483647;
	u32 bytes = 0, xor = 0, or = 0, differ = 0, ones = 0;
	s64 dot = 0, wide = 0;
	EACH sum += w1[i];
	EACH most = w1[i] > most ? w1[i] : most;
	EACH least = h1[i] < least ? h1[i] : least;
	EACH bytes += u1[i];
	EACH xor ^= (u32)w1[i];
	EACH or |= uh[i] & 0x3210;
	EACH differ += (u32)(u1[i] > u2[i] ? u1[i] - u2[i] : u2[i] - u1[i]);
	EACH ones += (u32)__builtin_popcountl((u64)l1[i]);
	EACH dot += h1[i] * h2[i];
	EACH wide += (s64)w1[i] * w2[i];
	print("reduce %d %d %d %u %x %x %u %u %ld %ld\n", sum, most, least, bytes, xor, or, differ, ones, dot, wide);
	float fs = 0, fm = -1e30f;
	double ds = 0;
	EACH fs += f1[i] * f2[i];
	EACH fm = f1[i] > fm ? f1[i] : fm;
	EACH ds += d1[i] - d2[i];
	print("reduce %x %x %lx\n", bitsf(fs), bitsf(fm), bits(ds));
}

CASE chosen(void)
{
	EACH w3[i] = w1[i] > w2[i] ? w1[i] : (u32)w1[i] < 1000000u ? 7 : w2[i];
	EACH b3[i] = (s8)(b1[i] == b2[i] || (b1[i] & 12) != 0);
	EACH h3[i] = h1[i] >= 0 && h2[i] < 100 ? h1[i] : (s16)~h2[i];
	EACH f3[i] = f1[i] == f2[i] || f1[i] > 10 ? f1[i] : -f2[i];
	EACH if (d1[i] > d2[i]) d3[i] = d1[i] * 2;
	SHOW(w3); SHOW(b3); SHOW(h3); SHOW(f3); SHOW(d3);
}

static u8 table[256], text[N];

CASE lookup(void)
{
	for (int i = 0; i < 256; i++)
		table[i] = (u8)(i * 167 + 13);
	EACH text[i] = table[u1[i]];
	EACH text[i] = (u8)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i]);
	SHOW(text);
	int n = 0;
	EACH n += text[i] == 'A' + i % 26;
	print("lookup %d\n", n);
}

int main(void)
{
	fill();
	arithmetic();
	minmax();
	saturate();
	widen();
	shifts();
	convert();
	strided();
	reduce();
	chosen();
	lookup();
	return 0;
}
