#include "lib.h"

#define PLAIN_LOOP __attribute__((optimize("no-tree-loop-distribute-patterns")))

void put(char c)
{
	*(volatile u32 *)0x09000000 = (u8)c; /* PL011 */
}

PLAIN_LOOP void *memcpy(void *to, const void *from, size_t n)
{
	u8 *a = to;
	const u8 *b = from;
	while (n--)
		*a++ = *b++;
	return to;
}

PLAIN_LOOP void *memmove(void *to, const void *from, size_t n)
{
	u8 *a = to;
	const u8 *b = from;
	if (a < b)
		while (n--)
			*a++ = *b++;
	else
		while (n--)
			a[n] = b[n];
	return to;
}

PLAIN_LOOP void *memset(void *p, int c, size_t n)
{
	u8 *a = p;
	while (n--)
		*a++ = (u8)c;
	return p;
}

PLAIN_LOOP int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;
	for (; n--; p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

PLAIN_LOOP size_t strlen(const char *s)
{
	size_t n = 0;
	while (s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (u8)*a - (u8)*b;
}

struct sink {
	char *at, *end; /* NULL for the console */
	int n;
};

static void emit(struct sink *s, char c)
{
	s->n++;
	if (!s->end)
		put(c);
	else if (s->at < s->end)
		*s->at++ = c;
}

struct spec {
	bool left, zero;
	int width, precision;
};

static void field(struct sink *s, const struct spec *f, const char *sign, const char *text, size_t n)
{
	int pad = f->width - (int)(strlen(sign) + n);
	if (!f->left && !f->zero)
		for (; pad > 0; pad--)
			emit(s, ' ');
	while (*sign)
		emit(s, *sign++);
	if (!f->left && f->zero)
		for (; pad > 0; pad--)
			emit(s, '0');
	while (n--)
		emit(s, *text++);
	for (; pad > 0; pad--)
		emit(s, ' ');
}

static void integer(struct sink *s, const struct spec *f, const char *sign, u64 v, unsigned base)
{
	char b[24];
	size_t n = sizeof b;
	do
		b[--n] = "0123456789abcdef"[v % base];
	while (v /= base);
	field(s, f, sign, b + n, sizeof b - n);
}

/* Decimal digits by arithmetic in double: what comes out depends on every operation's rounding. */
static void floating(struct sink *s, const struct spec *f, double d, char conversion)
{
	char b[400];
	size_t n = 0;
	const char *sign = bits(d) >> 63 ? "-" : "";
	if (bits(d) >> 63)
		d = -d;
	if (d != d || d > 1.7976931348623157e308) {
		field(s, &(struct spec){ .left = f->left, .width = f->width }, sign, d != d ? "nan" : "inf", 3);
		return;
	}
	int precision = f->precision < 0 ? 6 : f->precision, exponent = 0;
	if (conversion == 'e' && d > 0) {
		while (d >= 10)
			d /= 10, exponent++;
		while (d < 1)
			d *= 10, exponent--;
	}
	double half = 0.5;
	for (int i = 0; i < precision; i++)
		half /= 10;
	d += half;
	if (conversion == 'e' && d >= 10)
		d /= 10, exponent++;
	double power = 1;
	int digits = 1;
	while (d / power >= 10)
		power *= 10, digits++;
	for (int i = 0; i < digits; i++, power /= 10) {
		int c = (int)(d / power);
		c = c > 9 ? 9 : c;
		b[n++] = (char)('0' + c);
		d -= c * power;
	}
	if (precision > 0)
		b[n++] = '.';
	for (int i = 0; i < precision; i++) {
		d *= 10;
		int c = (int)d;
		c = c > 9 ? 9 : c < 0 ? 0 : c;
		b[n++] = (char)('0' + c);
		d -= c;
	}
	if (conversion == 'e') {
		b[n++] = 'e';
		b[n++] = exponent < 0 ? '-' : '+';
		exponent = exponent < 0 ? -exponent : exponent;
		if (exponent >= 100)
			b[n++] = (char)('0' + exponent / 100);
		b[n++] = (char)('0' + exponent / 10 % 10);
		b[n++] = (char)('0' + exponent % 10);
	}
	field(s, f, sign, b, n);
}

static void format(struct sink *s, const char *p, va_list ap)
{
	for (; *p; p++) {
		if (*p != '%') {
			emit(s, *p);
			continue;
		}
		struct spec f = { .precision = -1 };
		for (p++; *p == '-' || *p == '0'; p++)
			*(*p == '-' ? &f.left : &f.zero) = true;
		for (; *p >= '0' && *p <= '9'; p++)
			f.width = f.width * 10 + *p - '0';
		if (*p == '.')
			for (p++, f.precision = 0; *p >= '0' && *p <= '9'; p++)
				f.precision = f.precision * 10 + *p - '0';
		int longs = 0;
		for (; *p == 'l'; p++)
			longs++;
		switch (*p) {
		case 'd':
		case 'i': {
			s64 v = longs ? va_arg(ap, s64) : va_arg(ap, int);
			integer(s, &f, v < 0 ? "-" : "", v < 0 ? -(u64)v : (u64)v, 10);
			break;
		}
		case 'u':
			integer(s, &f, "", longs ? va_arg(ap, u64) : va_arg(ap, unsigned), 10);
			break;
		case 'x':
			integer(s, &f, "", longs ? va_arg(ap, u64) : va_arg(ap, unsigned), 16);
			break;
		case 'p':
			integer(s, &f, "0x", (u64)va_arg(ap, void *), 16);
			break;
		case 'c': {
			char c = (char)va_arg(ap, int);
			field(s, &f, "", &c, 1);
			break;
		}
		case 's': {
			const char *t = va_arg(ap, const char *);
			size_t n = strlen(t);
			field(s, &f, "", t, f.precision >= 0 && (size_t)f.precision < n ? (size_t)f.precision : n);
			break;
		}
		case 'f':
		case 'e':
			floating(s, &f, va_arg(ap, double), *p);
			break;
		case 0:
			return;
		default:
			emit(s, *p);
		}
	}
}

int print(const char *f, ...)
{
	struct sink s = { 0 };
	va_list ap;
	va_start(ap, f);
	format(&s, f, ap);
	va_end(ap);
	return s.n;
}

int print_to(char *to, size_t size, const char *f, ...)
{
	struct sink s = { to, to + size - 1, 0 };
	va_list ap;
	va_start(ap, f);
	format(&s, f, ap);
	va_end(ap);
	*s.at = 0;
	return s.n;
}
