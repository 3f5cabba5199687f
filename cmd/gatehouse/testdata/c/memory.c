#include "lib.h"

static u8 a[4096], b[4096];
struct block { u8 data[200]; };

static void show(const char *what) { print("%-10s %lx %lx\n", what, digest(a, sizeof a), digest(b, sizeof b)); }

int main(void)
{
	u64 seed = 11;
	for (u32 i = 0; i < sizeof a; i++)
		a[i] = (u8)next(&seed), b[i] = (u8)~i;
	show("start");
	for (u32 n = 0; n < 70; n++)
		for (u32 off = 0; off < 9; off++)
			memcpy(b + n * 50 + off, a + n * 37 + 8 - off, n);
	show("memcpy");
	for (u32 n = 1; n < 200; n++) {
		memmove(a + n, a + n / 2, n);
		memmove(b + 3000 - n, b + 3000, n);
	}
	show("memmove");
	for (u32 n = 0; n < 100; n++)
		memset(a + n * 40 + n % 8, (int)n, n / 3);
	show("memset");
	print("memcmp %d %d %d\n", memcmp(a, a, 4096), memcmp(a, b, 100) > 0, memcmp("abc", "abd", 3));

	/* The compiler's own copies, at odd addresses. */
	struct block *p = (struct block *)(a + 1), *q = (struct block *)(b + 3);
	*q = *p;
	q->data[17] ^= 0xff;
	struct block local = *q;
	local.data[0]++;
	*p = local;
	show("blocks");

	u64 words[8];
	for (u32 i = 0; i < 8; i++)
		__builtin_memcpy(&words[i], a + 5 * i + 1, 8);
	u32 odd = 0;
	__builtin_memcpy(&odd, b + 7, 3);
	print("words %lx %lx %x\n", words[0], digest(words, sizeof words), odd);

	volatile u16 *h = (u16 *)a;
	volatile s8 *s = (s8 *)b;
	s64 sum = 0;
	for (u32 i = 0; i < 2048; i++) {
		sum += h[i] - 3 * s[i];
		h[i] = (u16)(h[i] + s[i + 1]);
	}
	show("halves");
	print("sum %ld\n", sum);
	return 0;
}
