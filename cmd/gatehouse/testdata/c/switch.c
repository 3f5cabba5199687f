#include "lib.h"

__attribute__((noinline)) static int dense(u32 op, int a, int b)
{
	switch (op) {
	case 0: return a + b;
	case 1: return a - b;
	case 2: return a * b;
	case 3: return b ? a / b : 0;
	case 4: return b ? a % b : -1;
	case 5: return a & b;
	case 6: return a | b;
	case 7: return a ^ b;
	case 8: return a << (b & 15);
	case 9: return a >> (b & 31);
	case 10: return ~a;
	case 11: return a < b;
	case 12: return (u32)a < (u32)b;
	default: return 1000 + (int)op;
	}
}

__attribute__((noinline)) static const char *sparse(u64 v)
{
	switch (v) {
	case 0: return "zero";
	case 7: return "seven";
	case 1000: return "thousand";
	case 65536: return "64K";
	case 1ul << 40: return "1T";
	case ~0ul: return "ones";
	case 0x84000000 ... 0x8400001f: return "psci";
	}
	return "other";
}

/* A stack machine with computed goto. */
static int machine(const u8 *code)
{
	static const void *const labels[] = { &&push, &&add, &&mul, &&dup, &&swap, &&mod10, &&div10, &&jnz, &&halt, &&drop };
	s64 stack[16];
	int sp = 0, pc = 0;
#define NEXT goto *labels[code[pc++]]
	NEXT;
push:	stack[sp++] = code[pc++]; NEXT;
add:	sp--; stack[sp - 1] += stack[sp]; NEXT;
mul:	sp--; stack[sp - 1] *= stack[sp]; NEXT;
dup:	stack[sp] = stack[sp - 1]; sp++; NEXT;
swap:	{ s64 t = stack[sp - 1]; stack[sp - 1] = stack[sp - 2]; stack[sp - 2] = t; } NEXT;
mod10:	stack[sp - 1] %= 10; NEXT;
div10:	stack[sp - 1] /= 10; NEXT;
jnz:	pc = stack[sp - 1] ? code[pc] : pc + 1; NEXT;
drop:	sp--; NEXT;
halt:	return (int)stack[sp - 1];
}

int main(void)
{
	u64 seed = 5;
	u64 h = 0;
	for (u32 i = 0; i < 3000; i++) {
		int a = (int)next(&seed) >> (i % 20), b = (int)next(&seed) >> (i % 23);
		int r = dense(i % 16, i % 16 == 2 ? a >> 16 : i % 16 == 8 ? (a & 0xffff) : a, i % 16 == 2 ? b >> 16 : b);
		h = h * 131 + (u32)r;
		if (i < 16)
			print("%u: %d\n", i, r);
	}
	print("digest %lx\n", h);
	static const u64 v[] = { 0, 1, 7, 8, 1000, 65536, 1ul << 40, ~0ul, 0x84000008, 0x84000020, 0x83ffffff };
	for (u32 i = 0; i < COUNT(v); i++)
		print("%s ", sparse(v[i]));
	put('\n');
	/* n = 127 * 127; while (n /= 10); then 7 * 9 + n % 10. */
	static const u8 code[] = { 0, 127, 3, 2, /* 4: */ 6, 7, 4, 9, 0, 7, 0, 9, 2, 0, 163, 5, 4, 1, 8 };
	print("machine %d\n", machine(code));
	return 0;
}
