#include "lib.h"

static u8 plain[6000], packed[12000], again[6000];

/* LZ77 with a window of 4 KiB: a flag byte, then literals or pairs of 12-bit distance and 4-bit length. */
static u32 pack(const u8 *in, u32 n, u8 *out)
{
	u32 o = 0;
	for (u32 i = 0; i < n;) {
		u32 flags = o++;
		out[flags] = 0;
		for (int bit = 0; bit < 8 && i < n; bit++) {
			u32 best = 0, at = 0;
			for (u32 d = 1; d <= i && d < 1024; d++) {
				u32 k = 0;
				while (k < 18 && i + k < n && in[i + k] == in[i + k - d])
					k++;
				if (k > best)
					best = k, at = d;
			}
			if (best >= 3) {
				out[flags] |= (u8)(1 << bit);
				out[o++] = (u8)at;
				out[o++] = (u8)(at >> 8 << 4 | (best - 3));
				i += best;
			} else {
				out[o++] = in[i++];
			}
		}
	}
	return o;
}

static u32 unpack(const u8 *in, u32 n, u8 *out)
{
	u32 o = 0;
	for (u32 i = 0; i < n;) {
		u8 flags = in[i++];
		for (int bit = 0; bit < 8 && i < n; bit++) {
			if (flags >> bit & 1) {
				u32 d = in[i] | (u32)in[i + 1] >> 4 << 8, k = (in[i + 1] & 15) + 3;
				i += 2;
				for (; k--; o++)
					out[o] = out[o - d];
			} else {
				out[o++] = in[i++];
			}
		}
	}
	return o;
}

int main(void)
{
	u64 seed = 61;
	for (u32 i = 0; i < sizeof plain; i++)
		plain[i] = i > 40 && next(&seed) % 5 ? plain[i - 7 - next(&seed) % 20] : (u8)('a' + next(&seed) % 20);
	for (u32 i = 2000; i < 3000; i++)
		plain[i] = plain[i - 1500];
	u32 n = pack(plain, sizeof plain, packed), m = unpack(packed, n, again);
	print("%lu -> %u -> %u same %d\n", sizeof plain, n, m, memcmp(plain, again, sizeof plain) == 0);
	print("%lx %lx\n", digest(packed, n), digest(again, m));
	print("%.60s\n", (const char *)plain);

	/* Huffman code lengths of the letters. */
	u32 weight[64], parent[64], live = 0, total = 0;
	for (u32 c = 0; c < 20; c++) {
		weight[c] = 0;
		for (u32 i = 0; i < sizeof plain; i++)
			weight[c] += plain[i] == 'a' + c;
		parent[c] = 0;
		live++;
	}
	u32 nodes = live;
	for (; live > 1; live--) {
		u32 a = 64, b = 64;
		for (u32 i = 0; i < nodes; i++) {
			if (parent[i])
				continue;
			if (a == 64 || weight[i] < weight[a])
				b = a, a = i;
			else if (b == 64 || weight[i] < weight[b])
				b = i;
		}
		weight[nodes] = weight[a] + weight[b];
		parent[nodes] = 0;
		parent[a] = parent[b] = nodes++;
	}
	for (u32 c = 0; c < 20; c++) {
		u32 len = 0;
		for (u32 i = c; parent[i]; i = parent[i])
			len++;
		total += len * weight[c];
		print("%c%u ", (char)('a' + c), len);
	}
	print("\n%u bits\n", total);
	return 0;
}
