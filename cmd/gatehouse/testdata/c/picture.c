#include "lib.h"

int main(void)
{
	for (int y = -11; y <= 11; y++) {
		for (int x = -39; x <= 20; x++) {
			double cr = x / 18.0, ci = y / 9.5, zr = 0, zi = 0;
			int n = 0;
			while (n < 200 && zr * zr + zi * zi < 4) {
				double t = zr * zr - zi * zi + cr;
				zi = 2 * zr * zi + ci;
				zr = t;
				n++;
			}
			put(" .:-=+*#%@"[n == 200 ? 9 : n % 9]);
		}
		put('\n');
	}

	/* Fixed point, then a filter and a digest. */
	static s16 image[64][64], out[64][64];
	for (int y = 0; y < 64; y++)
		for (int x = 0; x < 64; x++) {
			s32 cr = (x - 44) * 160, ci = (y - 32) * 160, zr = 0, zi = 0;
			int n = 0;
			for (; n < 255; n++) {
				s32 a = (zr * zr) >> 12, b = (zi * zi) >> 12;
				if (a + b > 4 << 12)
					break;
				zi = ((zr * zi) >> 11) + ci;
				zr = a - b + cr;
			}
			image[y][x] = (s16)n;
		}
	for (int y = 1; y < 63; y++)
		for (int x = 1; x < 63; x++) {
			int gx = 0, gy = 0;
			for (int d = -1; d <= 1; d++) {
				gx += (image[y + d][x + 1] - image[y + d][x - 1]) * (2 - d * d);
				gy += (image[y + 1][x + d] - image[y - 1][x + d]) * (2 - d * d);
			}
			gx = gx < 0 ? -gx : gx;
			gy = gy < 0 ? -gy : gy;
			out[y][x] = (s16)(gx + gy > 255 ? 255 : gx + gy);
		}
	print("%lx %lx\n", digest(image, sizeof image), digest(out, sizeof out));
	return 0;
}
