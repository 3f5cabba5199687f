#include "lib.h"

#define N 1200
static s32 data[N], work[N], spare[N];

static void fill(u64 seed)
{
	for (u32 i = 0; i < N; i++)
		data[i] = (s32)next(&seed) >> (i % 3 * 10);
}

static void insertion(s32 *v, int n)
{
	for (int i = 1; i < n; i++) {
		s32 x = v[i];
		int k = i;
		for (; k > 0 && v[k - 1] > x; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

static void shell(s32 *v, int n)
{
	for (int gap = n / 2; gap; gap /= 2)
		for (int i = gap; i < n; i++)
			for (int k = i - gap; k >= 0 && v[k] > v[k + gap]; k -= gap) {
				s32 t = v[k];
				v[k] = v[k + gap];
				v[k + gap] = t;
			}
}

static void heap(s32 *v, int n)
{
	for (int start = n / 2 - 1, end = n; end > 1;) {
		if (start >= 0) {
			start--;
		} else {
			end--;
			s32 t = v[end];
			v[end] = v[0];
			v[0] = t;
		}
		int root = start + 1;
		if (start < 0)
			root = 0;
		for (int child; (child = 2 * root + 1) < end; root = child) {
			if (child + 1 < end && v[child] < v[child + 1])
				child++;
			if (v[root] >= v[child])
				break;
			s32 t = v[root];
			v[root] = v[child];
			v[child] = t;
		}
	}
}

static void quick(s32 *v, int n)
{
	if (n < 12) {
		insertion(v, n);
		return;
	}
	s32 pivot = v[n / 2];
	int i = 0, k = n - 1;
	for (;; i++, k--) {
		while (v[i] < pivot)
			i++;
		while (v[k] > pivot)
			k--;
		if (i >= k)
			break;
		s32 t = v[i];
		v[i] = v[k];
		v[k] = t;
	}
	quick(v, i);
	quick(v + i, n - i);
}

static void merge(s32 *v, int n)
{
	if (n < 2)
		return;
	int h = n / 2, i = 0, k = h, m = 0;
	merge(v, h);
	merge(v + h, n - h);
	while (i < h || k < n)
		spare[m++] = k >= n || (i < h && v[i] <= v[k]) ? v[i++] : v[k++];
	memcpy(v, spare, (size_t)n * sizeof *v);
}

static void radix(s32 *v, int n)
{
	for (int shift = 0; shift < 32; shift += 8) {
		u32 count[257] = { 0 };
		u32 flip = shift == 24 ? 0x80 : 0;
		for (int i = 0; i < n; i++)
			count[(((u32)v[i] >> shift & 255) ^ flip) + 1]++;
		for (int i = 0; i < 256; i++)
			count[i + 1] += count[i];
		for (int i = 0; i < n; i++)
			spare[count[((u32)v[i] >> shift & 255) ^ flip]++] = v[i];
		memcpy(v, spare, (size_t)n * sizeof *v);
	}
}

int main(void)
{
	static const struct { const char *name; void (*sort)(s32 *, int); } sorts[] = {
		{ "insertion", insertion }, { "shell", shell }, { "heap", heap }, { "quick", quick }, { "merge", merge }, { "radix", radix },
	};
	for (u64 seed = 1; seed < 3; seed++) {
		fill(seed);
		print("unsorted %lx\n", digest(data, sizeof data));
		for (u32 i = 0; i < COUNT(sorts); i++) {
			memcpy(work, data, sizeof data);
			sorts[i].sort(work, N);
			u32 inversions = 0;
			for (u32 k = 1; k < N; k++)
				inversions += work[k - 1] > work[k];
			print("%-10s %u %d %d %lx\n", sorts[i].name, inversions, work[0], work[N - 1], digest(work, sizeof work));
		}
	}
	s32 key = work[N / 3];
	u32 lo = 0, hi = N;
	while (lo < hi) {
		u32 mid = (lo + hi) / 2;
		if (work[mid] < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	print("search %u\n", lo);
	return 0;
}
