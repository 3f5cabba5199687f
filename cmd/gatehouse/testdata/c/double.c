#include "lib.h"

static const double pi = 3.14159265358979323846;

static double root(double x)
{
	double r = x > 1 ? x : 1;
	for (int i = 0; i < 60; i++)
		r = (r + x / r) / 2;
	return r;
}

static double sine(double x)
{
	while (x > pi)
		x -= 2 * pi;
	double term = x, sum = x;
	for (int i = 1; i < 25; i++) {
		term *= -x * x / ((2 * i) * (2 * i + 1));
		sum += term;
	}
	return sum;
}

static double exponential(double x)
{
	double term = 1, sum = 1;
	for (int i = 1; i < 60; i++) {
		term *= x / i;
		sum += term;
	}
	return sum;
}

static double logarithm(double x)
{
	double y = 0;
	for (int i = 0; i < 40; i++)
		y += 2 * (x - exponential(y)) / (x + exponential(y));
	return y;
}

int main(void)
{
	volatile double values[] = { 0.1, 0.5, 1, 1.5, 2, 3.7, 10, 123.456 };
	for (u32 i = 0; i < COUNT(values); i++) {
		double x = values[i];
		print("%10.4f sqrt %f %lx sin %f %lx exp %e %lx log %f %lx\n", x, root(x), bits(root(x)), sine(x), bits(sine(x)),
			exponential(x / 4), bits(exponential(x / 4)), logarithm(x), bits(logarithm(x)));
		print("           hardware sqrt %lx\n", bits(__builtin_sqrt(x)));
	}

	volatile double zero = 0, tiny = 4.9e-324, huge = 1.7976931348623157e308;
	print("inf %lx %lx nan %lx %lx zero %lx\n", bits(1 / zero), bits(-1 / zero), bits(zero / zero), bits(zero * (1 / zero)), bits(-zero));
	print("subnormal %lx %lx %lx overflow %lx\n", bits(tiny / 2), bits(tiny * 3), bits(2.2250738585072014e-308 - tiny), bits(huge * 2));
	print("compare %d %d %d %d %d\n", zero == -zero, zero / zero == zero / zero, zero / zero < 1, huge > tiny, 1 / zero > huge);

	double sum = 0, lost = 0;
	for (int i = 1; i <= 10000; i++) {
		double y = 1.0 / i - lost, s = sum + y;
		lost = s - sum - y;
		sum = s;
	}
	print("harmonic %.15f %lx %lx\n", sum, bits(sum), bits(lost));

	double area = 0;
	for (int i = 0; i < 20000; i++) {
		double x = (i + 0.5) / 20000;
		area += 4 / (1 + x * x);
	}
	print("pi %.12f %lx\n", area / 20000, bits(area / 20000));

	u64 seed = 7, inside = 0;
	for (int i = 0; i < 20000; i++) {
		double x = next(&seed) / 4294967296.0, y = next(&seed) / 4294967296.0;
		inside += x * x + y * y < 1;
	}
	print("monte carlo %lu\n", inside);

	/* An orbit: errors of rounding would grow. */
	double x = 1, y = 0, vx = 0, vy = 1;
	for (int i = 0; i < 5000; i++) {
		double r3 = (x * x + y * y) * __builtin_sqrt(x * x + y * y);
		vx -= 0.01 * x / r3;
		vy -= 0.01 * y / r3;
		x += 0.01 * vx;
		y += 0.01 * vy;
	}
	print("orbit %lx %lx %f %f\n", bits(x), bits(y), x, y);
	return 0;
}
