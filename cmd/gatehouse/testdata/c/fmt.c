#include "lib.h"

/* Shortest decimal that reads back as the same double, found by trying more and more digits. */
static double parse(const char *s)
{
	double v = 0, scale = 1;
	bool negative = *s == '-', point = false;
	s += negative;
	for (; *s && *s != 'e'; s++) {
		if (*s == '.') {
			point = true;
			continue;
		}
		v = v * 10 + (*s - '0');
		if (point)
			scale *= 10;
	}
	v /= scale;
	if (*s == 'e') {
		s++;
		bool down = *s == '-';
		int e = 0;
		for (s += *s == '-' || *s == '+'; *s; s++)
			e = e * 10 + *s - '0';
		while (e-- > 0)
			v = down ? v / 10 : v * 10;
	}
	return negative ? -v : v;
}

int main(void)
{
	static const double v[] = { 0, 1, -1, 0.1, 1.0 / 3, 2.0 / 3, 1e21, 1e22, 1e-5, 123456789.125, 5e-324, 2.2250738585072014e-308,
		1.7976931348623157e308, 3.141592653589793, 2.718281828459045, 0.30000000000000004, 9007199254740993.0, -123.456e-20 };
	for (u32 i = 0; i < COUNT(v); i++) {
		print("%e %.17e ", v[i], v[i]);
		if (v[i] < 1e30 && v[i] > -1e30)
			print("%f %.12f", v[i], v[i]);
		char s[64];
		for (u32 digits = 0; digits < 20; digits++) {
			char f[] = { '%', '.', (char)('0' + digits / 10), (char)('0' + digits % 10), 'e', 0 };
			print_to(s, sizeof s, f, v[i]);
			if (parse(s) == v[i])
				break;
		}
		print(" %s %lx\n", s, bits(parse(s)));
	}
	static const char *const t[] = { "0", "3.25", "-17.5e3", "1e-10", "123456789012345678", "0.000001", "4.35", "1e100" };
	for (u32 i = 0; i < COUNT(t); i++)
		print("%s = %lx %e\n", t[i], bits(parse(t[i])), parse(t[i]));
	for (int i = -12; i <= 12; i++) {
		double d = 1;
		for (int k = 0; k < (i < 0 ? -i : i); k++)
			d = i < 0 ? d / 7 : d * 7;
		print("%12.4f|%-14.2e|%012.3f\n", d, d, -d);
	}
	return 0;
}
