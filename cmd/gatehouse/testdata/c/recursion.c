#include "lib.h"

static u32 calls;

static u32 ackermann(u32 m, u32 n)
{
	calls++;
	if (m == 0)
		return n + 1;
	return n == 0 ? ackermann(m - 1, 1) : ackermann(m - 1, ackermann(m, n - 1));
}

static u32 queens(u32 n, u32 cols, u32 left, u32 right)
{
	if (cols == (1u << n) - 1)
		return 1;
	u32 found = 0;
	for (u32 free = ~(cols | left | right) & ((1u << n) - 1); free; free &= free - 1) {
		u32 bit = free & -free;
		found += queens(n, cols | bit, (left | bit) << 1, (right | bit) >> 1);
	}
	return found;
}

static void hanoi(int n, int from, int to, u64 *h)
{
	if (n == 0)
		return;
	hanoi(n - 1, from, 3 - from - to, h);
	*h = *h * 7 + (u64)(from * 3 + to);
	hanoi(n - 1, 3 - from - to, to, h);
}

static u64 permute(u8 *p, u32 n, u32 at, u64 h)
{
	if (at == n)
		return h * 31 + digest(p, n);
	for (u32 i = at; i < n; i++) {
		u8 t = p[at];
		p[at] = p[i];
		p[i] = t;
		h = permute(p, n, at + 1, h);
		p[i] = p[at];
		p[at] = t;
	}
	return h;
}

static int even(int n);
static int odd(int n) { return n == 0 ? 0 : even(n - 1); }
static int even(int n) { return n == 0 ? 1 : odd(n - 1); }

static double power(double x, int n)
{
	if (n < 0)
		return 1 / power(x, -n);
	if (n == 0)
		return 1;
	double h = power(x, n / 2);
	return n & 1 ? h * h * x : h * h;
}

static u32 paths(u32 x, u32 y) { return x == 0 || y == 0 ? 1 : paths(x - 1, y) + paths(x, y - 1); }

/* expression = term {+|- term}; term = factor {*|/ factor}; factor = number | ( expression ) | - factor */
static const char *at;
static s64 expression(void);
static s64 factor(void)
{
	if (*at == '-')
		return at++, -factor();
	if (*at == '(') {
		at++;
		s64 v = expression();
		at++;
		return v;
	}
	s64 v = 0;
	while (*at >= '0' && *at <= '9')
		v = v * 10 + *at++ - '0';
	return v;
}
static s64 term(void)
{
	s64 v = factor();
	while (*at == '*' || *at == '/') {
		if (*at++ == '*')
			v *= factor();
		else
			v /= factor();
	}
	return v;
}
static s64 expression(void)
{
	s64 v = term();
	while (*at == '+' || *at == '-')
		v += *at++ == '+' ? term() : -term();
	return v;
}

int main(void)
{
	u32 r = ackermann(2, 300);
	print("ackermann %u %u calls\n", r, calls);
	for (u32 n = 4; n <= 9; n++)
		print("queens %u: %u\n", n, queens(n, 0, 0, 0));
	u64 h = 1;
	hanoi(14, 0, 2, &h);
	print("hanoi %lx\n", h);
	u8 p[] = { 1, 2, 3, 4, 5, 6, 7 };
	print("permutations %lx\n", permute(p, sizeof p, 0, 0));
	print("even %d odd %d\n", even(1000), odd(777));
	print("power %f %e %lx\n", power(1.1, 50), power(3, -40), bits(power(-0.7, 33)));
	print("paths %u\n", paths(9, 10));
	static const char *const texts[] = { "1+2*3", "-(4-10)*(3+4)/2", "((((7))))*-3-2", "1000000*1000000/(3-10)" };
	for (u32 i = 0; i < COUNT(texts); i++) {
		at = texts[i];
		print("%s = %ld\n", texts[i], expression());
	}
	return 0;
}
