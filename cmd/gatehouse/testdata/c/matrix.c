#include "lib.h"

#define N 24
static double a[N][N], b[N][N], c[N][N];
static float fa[N][N], fb[N][N], fc[N][N];
static s32 ia[N][N], ib[N][N], ic[N][N];

#define MULTIPLY(name, type) \
	static void name(type r[N][N], type x[N][N], type y[N][N]) \
	{ \
		for (int i = 0; i < N; i++) \
			for (int j = 0; j < N; j++) { \
				type sum = 0; \
				for (int k = 0; k < N; k++) \
					sum += x[i][k] * y[k][j]; \
				r[i][j] = sum; \
			} \
	}
MULTIPLY(multiply, double)
MULTIPLY(multiplyf, float)
MULTIPLY(multiplyi, s32)

static double determinant(double m[N][N])
{
	double d = 1;
	for (int i = 0; i < N; i++) {
		int p = i;
		for (int r = i; r < N; r++)
			if ((m[r][i] < 0 ? -m[r][i] : m[r][i]) > (m[p][i] < 0 ? -m[p][i] : m[p][i]))
				p = r;
		if (p != i) {
			d = -d;
			for (int k = 0; k < N; k++) {
				double t = m[i][k];
				m[i][k] = m[p][k];
				m[p][k] = t;
			}
		}
		d *= m[i][i];
		for (int r = i + 1; r < N; r++) {
			double q = m[r][i] / m[i][i];
			for (int k = i; k < N; k++)
				m[r][k] -= q * m[i][k];
		}
	}
	return d;
}

int main(void)
{
	u64 seed = 31;
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++) {
			ia[i][j] = (s32)next(&seed) >> 20;
			ib[i][j] = (s32)next(&seed) >> 22;
			a[i][j] = ia[i][j] / 64.0 + (i == j ? 10 : 0);
			b[i][j] = ib[i][j] / 100.0;
			fa[i][j] = (float)ia[i][j] / 3;
			fb[i][j] = (float)ib[i][j] / 7;
		}
	multiply(c, a, b);
	multiplyf(fc, fa, fb);
	multiplyi(ic, ia, ib);
	print("double %lx %f\n", digest(c, sizeof c), c[3][5]);
	print("float %lx %f\n", digest(fc, sizeof fc), (double)fc[3][5]);
	print("int %lx %d\n", digest(ic, sizeof ic), ic[3][5]);
	for (int i = 0; i < 6; i++) {
		multiply(a, c, b);
		double max = 0;
		for (int r = 0; r < N; r++)
			for (int k = 0; k < N; k++)
				if (a[r][k] > max)
					max = a[r][k];
		for (int r = 0; r < N; r++)
			for (int k = 0; k < N; k++)
				c[r][k] = a[r][k] / max + (r == k);
	}
	print("iterated %lx %f\n", digest(c, sizeof c), c[0][0]);
	double d = determinant(c);
	print("determinant %e %lx\n", d, bits(d));
	return 0;
}
