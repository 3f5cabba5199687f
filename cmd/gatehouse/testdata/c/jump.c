#include "lib.h"

static u64 where[22], outer[22];
static volatile int depth, limit;

__attribute__((noinline)) static int dig(int n, double d)
{
	volatile double keep = d * 1.5; /* lives in a callee-saved place across the calls */
	depth++;
	if (n == limit)
		restore(where, depth);
	if (n > limit + 20)
		return 0;
	int r = dig(n + 1, keep) + 1;
	return r + (int)keep;
}

static int parse(const char *s)
{
	int v = 0;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			restore(outer, 1 + *s);
		v = v * 10 + *s - '0';
	}
	return v;
}

int main(void)
{
	double kept = 2.25;
	for (volatile int n = 0; n < 12; n += 3) {
		depth = 0;
		limit = n;
		int r = save(where);
		if (r == 0)
			print("never %d\n", dig(0, kept));
		else
			print("back from %d with %f\n", r, kept);
	}
	static const char *const texts[] = { "123", "45x6", "", "99999", "1-1" };
	volatile int errors = 0;
	for (volatile u32 i = 0; i < COUNT(texts); i++) {
		int c = save(outer);
		if (c) {
			errors++;
			print("%s: bad character %c\n", texts[i], c - 1);
			continue;
		}
		print("%s: %d\n", texts[i], parse(texts[i]));
	}
	print("%d errors\n", errors);
	int r = save(where);
	if (r == 0)
		restore(where, 0);
	print("zero becomes %d\n", r);
	return 0;
}
