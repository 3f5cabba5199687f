/* What the programs share: a console and a few functions of the C library. */
#ifndef LIB_H
#define LIB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int main(void);
void put(char c);
/* %d %i %u %x %c %s %p %% and %f %e with width, 0, -, precision, l and ll. */
int print(const char *format, ...) __attribute__((format(printf, 1, 2)));
int print_to(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *p, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int save(u64 buf[22]) __attribute__((returns_twice));
_Noreturn void restore(u64 buf[22], int value);

/* Numbers that look random, the same in each run. */
static inline u32 next(u64 *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	u64 x = *state ^ *state >> 18;
	return (u32)(x >> 27);
}

static inline u64 bits(double d)
{
	union { double d; u64 u; } v = { d };
	return v.u;
}

static inline u32 bitsf(float f)
{
	union { float f; u32 u; } v = { f };
	return v.u;
}

/* FNV-1a, to show large results in one number. */
static inline u64 digest(const void *p, size_t n)
{
	const u8 *b = p;
	u64 h = 14695981039346656037u;
	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 1099511628211u;
	return h;
}

#endif
