#include "rt.h"

/* PL011 (DDI 0183, 3.3). */
enum { UART = 0x09000000, UART_DR = 0x00, UART_FR = 0x18, FR_BUSY = 1 << 3, FR_TXFF = 1 << 5 };

void put_char(char c)
{
	while (mmio_read(UART + UART_FR) & FR_TXFF)
		;
	mmio_write(UART + UART_DR, (u8)c);
}

void console_flush(void)
{
	while (mmio_read(UART + UART_FR) & FR_BUSY)
		;
}

struct sink {
	char *at, *end; /* NULL: the console */
};

static void emit(struct sink *s, char c)
{
	if (!s->end)
		put_char(c);
	else if (s->at < s->end)
		*s->at++ = c;
}

static void number(struct sink *s, u64 v, unsigned base, bool negative, int width, bool zeros)
{
	char digits[24];
	int n = 0;
	do {
		digits[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (negative && !zeros)
		digits[n++] = '-';
	else if (negative)
		emit(s, '-');
	for (int i = n; i < width; i++)
		emit(s, zeros ? '0' : ' ');
	while (n)
		emit(s, digits[--n]);
}

static void format(struct sink *s, const char *p, va_list ap)
{
	for (; *p; p++) {
		if (*p != '%') {
			emit(s, *p);
			continue;
		}
		bool zeros = *++p == '0', wide = false;
		int width = 0;
		for (; *p >= '0' && *p <= '9'; p++)
			width = width * 10 + *p - '0';
		for (; *p == 'l'; p++)
			wide = true;
		switch (*p) {
		case 's': {
			const char *t = va_arg(ap, const char *);
			while (*t)
				emit(s, *t++);
			break;
		}
		case 'c':
			emit(s, (char)va_arg(ap, int));
			break;
		case 'd': {
			int64_t v = wide ? va_arg(ap, int64_t) : va_arg(ap, int);
			number(s, v < 0 ? -(u64)v : (u64)v, 10, v < 0, width, zeros);
			break;
		}
		case 'u':
			number(s, wide ? va_arg(ap, u64) : va_arg(ap, u32), 10, false, width, zeros);
			break;
		case 'x':
			number(s, wide ? va_arg(ap, u64) : va_arg(ap, u32), 16, false, width, zeros);
			break;
		case 0:
			return;
		default:
			emit(s, *p);
		}
	}
}

void print(const char *f, ...)
{
	struct sink s = { 0 };
	va_list ap;
	va_start(ap, f);
	format(&s, f, ap);
	va_end(ap);
}

void format_va(char *to, size_t size, const char *f, va_list ap)
{
	struct sink s = { to, to + size - 1 };
	format(&s, f, ap);
	*s.at = 0;
}

int format_to(char *to, size_t size, const char *f, ...)
{
	va_list ap;
	va_start(ap, f);
	format_va(to, size, f, ap);
	va_end(ap);
	return (int)strlen(to);
}
