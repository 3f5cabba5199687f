#include "lib.h"

__attribute__((noinline)) static double total(const char *types, ...)
{
	va_list ap, again;
	va_start(ap, types);
	va_copy(again, ap);
	double sum = 0;
	for (const char *t = types; *t; t++)
		switch (*t) {
		case 'i': sum += va_arg(ap, int); break;
		case 'l': sum += (double)va_arg(ap, s64); break;
		case 'd': sum += va_arg(ap, double); break;
		case 's': sum += (double)strlen(va_arg(ap, const char *)); break;
		}
	for (const char *t = types; *t; t++)
		switch (*t) {
		case 'i': sum -= va_arg(again, int) / 2; break;
		case 'l': sum -= (double)(va_arg(again, s64) / 3); break;
		case 'd': sum -= va_arg(again, double) / 4; break;
		case 's': sum += va_arg(again, const char *)[0]; break;
		}
	va_end(again);
	va_end(ap);
	return sum;
}

struct big { u64 a[5]; };
struct hfa { float a, b; };

__attribute__((noinline)) static u64 structs(int n, ...)
{
	va_list ap;
	va_start(ap, n);
	u64 sum = 0;
	for (int i = 0; i < n; i++) {
		struct big b = va_arg(ap, struct big);
		struct hfa h = va_arg(ap, struct hfa);
		sum = sum * 7 + b.a[0] + b.a[4] + bitsf(h.a) + bitsf(h.b) + (u64)va_arg(ap, int);
	}
	va_end(ap);
	return sum;
}

int main(void)
{
	print("%d %i %u %x %c %s %%\n", -5, 2147483647, 4294967295u, 0xbeef, 'z', "text");
	print("%ld %lu %lx %lld\n", -9223372036854775807, 18446744073709551615u, 0x123456789abcdef, -1ll);
	print("[%8d] [%-8d] [%08d] [%3d] [%08x]\n", -42, -42, -42, 123456, 0xabcu);
	print("[%10s] [%-10s] [%.3s] [%c]\n", "right", "left", "truncated", 'c');
	print("[%10.3f] [%-12.1f] [%.0f] [%f] [%e] [%.2e]\n", 3.14159, -2.55, 2.5, 0.1, 12345.678, 1e-7);
	print("%d %f %d %f %d %f %d %f %d %f %d %f %d %f %d %f %d %f\n", 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5);
	print("%s %f %s %d %ld %f\n", "mixed", 1e3, "args", 7, 1l << 50, -0.0);
	print("total %f\n", total("idlsidlsidlsidlsidl", 1, 2.5, 3l << 33, "four", 5, 6.5, -7l, "eight", 9, 10.5, 11l, "twelve", 13, 14.5, 15l,
		"sixteen", 17, 18.5, 19l));
	struct big b = { { 1, 2, 3, 4, 5 } };
	struct hfa h = { 1.25f, -3.5f };
	print("structs %lx\n", structs(4, b, h, 1, b, h, 2, b, h, 3, b, h, 4));
	char s[40];
	int n = print_to(s, sizeof s, "%d-%s-%f-%x", 10, "abcdefghijklmnopqrstuvwxyz", 2.5, 255u);
	print("%d %s %lu\n", n, s, strlen(s));
	return 0;
}
