#include "lib.h"

#define F(name) __attribute__((noinline)) static
F() float mul_add(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
F() double mul_sub(double a, double b, double c) { return __builtin_fma(-a, b, c); }

int main(void)
{
	static const double in[] = { 0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 0.49999999999999994, 1e10, -1e10, 3e9, 1e20, -1e20, 1e300,
		4503599627370497.5, 123456.789, -0.999999, 2147483647.5, -2147483648.5, 1.0 / 0.0, -1.0 / 0.0, 0.0 / 0.0 };
	for (u32 i = 0; i < COUNT(in); i++) {
		volatile double v = in[i];
		volatile float f = (float)v;
		print("%2u f32 %x back %lx", i, bitsf(f), bits((double)f));
		/* The instructions saturate; C calls that undefined, so that they are asked for by name. */
		s64 sx;
		u64 ux;
		s32 sw;
		u32 uw;
		__asm__("fcvtzs %0, %d1" : "=r"(sx) : "w"(v));
		__asm__("fcvtzu %0, %d1" : "=r"(ux) : "w"(v));
		__asm__("fcvtzs %w0, %d1" : "=r"(sw) : "w"(v));
		__asm__("fcvtzu %w0, %s1" : "=r"(uw) : "w"(f));
		print(" int %lx %lx %x %x", sx, ux, sw, uw);
		print(" round %lx %lx %lx %lx %lx\n", bits(__builtin_floor(v)), bits(__builtin_ceil(v)), bits(__builtin_trunc(v)),
			bits(__builtin_rint(v)), bits(__builtin_round(v)));
		print("   %x %x %x %d\n", bitsf(__builtin_floorf(f)), bitsf(__builtin_fabsf(f)), bitsf(-f), (int)(v != v));
	}

	u64 seed = 3;
	u64 h = 0;
	for (int i = 0; i < 3000; i++) {
		union { u32 u; float f; } a = { next(&seed) }, b = { next(&seed) }, c = { next(&seed) };
		u32 r[] = { bitsf(a.f + b.f), bitsf(a.f - b.f), bitsf(a.f * b.f), bitsf(a.f / b.f), bitsf(mul_add(a.f, b.f, c.f)),
			bitsf(__builtin_sqrtf(a.f)), bitsf(a.f < b.f ? a.f : c.f), bitsf(__builtin_fminf(a.f, b.f)), bitsf(__builtin_fmaxf(b.f, c.f)) };
		union { u64 u; double d; } x = { (u64)a.u << 32 | b.u }, y = { (u64)c.u << 32 | a.u };
		u64 d[] = { bits(x.d + y.d), bits(x.d * y.d), bits(x.d / y.d), bits(mul_sub(x.d, y.d, 1.5)), bits(__builtin_sqrt(x.d)),
			bits((double)(s64)x.u), bits((double)x.u), bitsf((float)x.d), bitsf((float)x.u) };
		h = h * 31 + digest(r, sizeof r) + digest(d, sizeof d);
		if (i < 4)
			for (u32 k = 0; k < 9; k++)
				print("%x %lx%c", r[k], d[k], k == 8 ? '\n' : ' ');
	}
	print("digest %lx\n", h);

	s32 n = -7;
	u32 u = 4000000000u;
	s64 l = -1234567890123456789;
	volatile s8 b = -128;
	print("%f %f %e %f %x %x\n", (double)n, (double)u, (double)l, (double)b, bitsf((float)l), bitsf((float)u));
	return 0;
}
