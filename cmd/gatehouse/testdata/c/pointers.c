#include "lib.h"

typedef int compare(const void *, const void *);

static void swap(u8 *a, u8 *b, size_t n)
{
	while (n--) {
		u8 t = *a;
		*a++ = *b;
		*b++ = t;
	}
}

static void sort(void *base, size_t n, size_t size, compare *less)
{
	u8 *p = base;
	for (; n > 1;) {
		size_t last = 0;
		swap(p, p + (n / 2) * size, size);
		for (size_t i = 1; i < n; i++)
			if (less(p + i * size, p) < 0)
				swap(p + ++last * size, p + i * size, size);
		swap(p, p + last * size, size);
		sort(p, last, size, less);
		p += (last + 1) * size;
		n -= last + 1;
	}
}

static int by_int(const void *a, const void *b) { return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b; }
static int by_double(const void *a, const void *b) { return *(const double *)a > *(const double *)b ? -1 : 1; }
static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

struct shape { double (*area)(const struct shape *); const char *name; double a, b; };
static double circle(const struct shape *s) { return 3.14159265 * s->a * s->a; }
static double rectangle(const struct shape *s) { return s->a * s->b; }
static double triangle(const struct shape *s) { return s->a * s->b / 2; }

struct tree { struct tree *left, *right; u32 key; };
static struct tree pool[500];
static u32 used;

static void insert(struct tree **t, u32 key)
{
	while (*t) {
		if ((*t)->key == key)
			return;
		t = key < (*t)->key ? &(*t)->left : &(*t)->right;
	}
	*t = &pool[used++];
	(*t)->key = key;
}

static void walk(const struct tree *t, void (*visit)(u32, void *), void *arg)
{
	if (!t)
		return;
	walk(t->left, visit, arg);
	visit(t->key, arg);
	walk(t->right, visit, arg);
}

static void sum(u32 key, void *arg) { *(u64 *)arg = *(u64 *)arg * 3 + key; }
static u32 depth(const struct tree *t)
{
	if (!t)
		return 0;
	u32 l = depth(t->left), r = depth(t->right);
	return 1 + (l > r ? l : r);
}

int main(void)
{
	static int v[300];
	static double d[100];
	u64 seed = 99;
	for (u32 i = 0; i < COUNT(v); i++)
		v[i] = (int)next(&seed);
	for (u32 i = 0; i < COUNT(d); i++)
		d[i] = (int)next(&seed) / 1000.0;
	const char *names[] = { "pear", "apple", "fig", "date", "cherry", "banana", "", "apple pie" };
	sort(v, COUNT(v), sizeof *v, by_int);
	sort(d, COUNT(d), sizeof *d, by_double);
	sort(names, COUNT(names), sizeof *names, by_name);
	print("%d %d %d %lx\n", v[0], v[150], v[299], digest(v, sizeof v));
	print("%f %f %lx\n", d[0], d[99], digest(d, sizeof d));
	for (u32 i = 0; i < COUNT(names); i++)
		print("[%s] ", names[i]);
	put('\n');

	struct shape shapes[] = { { circle, "circle", 2, 0 }, { rectangle, "rectangle", 3, 4.5 }, { triangle, "triangle", 1.5, 8 } };
	double total = 0;
	for (u32 i = 0; i < 30; i++) {
		struct shape *s = &shapes[i * 7 % 3];
		s->a += 0.25;
		total += s->area(s);
	}
	print("area %f %lx\n", total, bits(total));

	struct tree *root = NULL;
	for (u32 i = 0; i < COUNT(pool); i++)
		insert(&root, next(&seed) % 2000);
	u64 h = 0;
	walk(root, sum, &h);
	print("tree %u deep %u sum %lx\n", used, depth(root), h);

	int grid[5][7], (*row)[7] = grid, **rows = (int *[]){ grid[4], grid[2], grid[0] };
	for (int i = 0; i < 5; i++)
		for (int k = 0; k < 7; k++)
			*(*(grid + i) + k) = i * 50 - k * k;
	print("%d %d %d %ld\n", row[2][3], rows[1][6], grid[4][1], &grid[4][6] - &grid[0][0]);
	return 0;
}
