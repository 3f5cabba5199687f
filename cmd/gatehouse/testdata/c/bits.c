#include "lib.h"

static u32 crc_table[256];

static u32 crc32(const u8 *p, size_t n)
{
	u32 c = ~0u;
	while (n--)
		c = crc_table[(c ^ *p++) & 0xff] ^ c >> 8;
	return ~c;
}

static u64 reverse(u64 v)
{
	u64 r = 0;
	for (int i = 0; i < 64; i++)
		r |= (v >> i & 1) << (63 - i);
	return r;
}

static u32 rotate(u32 v, u32 n) { return v << (n & 31) | v >> (-n & 31); }
static u64 rotate64(u64 v, u32 n) { return v >> (n & 63) | v << (-n & 63); }

int main(void)
{
	u64 seed = 23, h = 0;
	for (int i = 0; i < 4000; i++) {
		u64 v = (u64)next(&seed) << 32 | next(&seed);
		v >>= i % 64;
		v |= 1;
		u32 w = (u32)v | 1;
		u64 r[] = { (u64)__builtin_clzl(v), (u64)__builtin_ctzl(v), (u64)__builtin_popcountl(v), (u64)__builtin_clz(w), (u64)__builtin_ctz(w),
			(u64)__builtin_clrsbl((s64)v), reverse(v), __builtin_bswap64(v), __builtin_bswap32(w), __builtin_bswap16((u16)w), rotate(w, (u32)i),
			rotate64(v, (u32)i), v & -v, v & (v - 1), (v >> 5 & 0x1ff) << 20 | (v & 0xf), (u64)((s64)(v << 20) >> 45), v ^ v >> 1, ~v & 0x5555555555555555,
			(u64)((s32)(w << 7) >> 19), (u64)(s8)v, (u64)(s16)v, v << (i & 63), (u64)((s64)v >> (i & 63)), w >> (i & 31), v & ~(0xfful << (i & 55)) };
		h = h * 1000003 + digest(r, sizeof r);
		if (i < 3)
			for (u32 k = 0; k < COUNT(r); k++)
				print("%lx%c", r[k], k + 1 == COUNT(r) ? '\n' : ' ');
	}
	print("digest %lx\n", h);

	for (u32 i = 0; i < 256; i++) {
		u32 c = i;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
		crc_table[i] = c;
	}
	print("crc32 %x\n", crc32((const u8 *)"123456789", 9));

	u32 gray = 0, seen = 0;
	for (u32 i = 0; i < 1024; i++) {
		u32 g = i ^ i >> 1;
		seen += __builtin_popcount(g ^ gray) == 1;
		gray = g;
	}
	print("gray %u\n", seen);

	u64 life = 0x70402; /* a glider on an 8 x 8 torus */
	for (int gen = 0; gen < 20; gen++) {
		u64 out = 0;
		for (int p = 0; p < 64; p++) {
			int n = 0;
			for (int dy = -1; dy <= 1; dy++)
				for (int dx = -1; dx <= 1; dx++)
					if (dx || dy)
						n += life >> (((p / 8 + dy) & 7) * 8 + ((p + dx) & 7)) & 1;
			if (n == 3 || (n == 2 && life >> p & 1))
				out |= 1ul << p;
		}
		life = out;
	}
	print("life %lx\n", life);

	u32 lfsr = 0xace1, period = 0;
	do {
		lfsr = lfsr >> 1 ^ (-(lfsr & 1) & 0xb400);
		period++;
	} while (lfsr != 0xace1);
	print("lfsr %u\n", period);
	return 0;
}
