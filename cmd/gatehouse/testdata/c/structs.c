#include "lib.h"

struct pair { int a, b; };
struct triple { u64 a, b, c; };
struct vec { double x, y, z; };
struct quad { float v[4]; };
struct mixed { char c; double d; short s; float f; };
struct bits { u32 a : 3, b : 7, c : 11, d : 11; s32 e : 5; u64 f : 40; };
struct node { struct node *next; struct mixed m; u8 tail[3]; };
union view { u64 u; double d; u8 b[8]; u16 h[4]; };

__attribute__((noinline)) static struct pair swap(struct pair p) { return (struct pair){ p.b, p.a }; }
__attribute__((noinline)) static struct triple rotate(struct triple t) { return (struct triple){ t.b, t.c, t.a + 1 }; }
__attribute__((noinline)) static struct vec cross(struct vec a, struct vec b)
{
	return (struct vec){ a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x };
}
__attribute__((noinline)) static struct quad scale(struct quad q, float k)
{
	for (int i = 0; i < 4; i++)
		q.v[i] *= k;
	return q;
}
__attribute__((noinline)) static struct mixed change(struct mixed m, int n)
{
	m.c += (char)n;
	m.d /= n;
	m.s = (short)(m.s * n);
	m.f -= (float)n;
	return m;
}

int main(void)
{
	struct pair p = { 3, -4 };
	for (int i = 0; i < 5; i++) {
		p = swap(p);
		p.a += i;
	}
	print("pair %d %d\n", p.a, p.b);

	struct triple t = { 1, 1ul << 40, ~0ul };
	for (int i = 0; i < 7; i++)
		t = rotate(t);
	print("triple %lx %lx %lx\n", t.a, t.b, t.c);

	struct vec v = { 1.5, -2.25, 3.125 }, w = { 0.1, 0.2, 0.3 };
	for (int i = 0; i < 4; i++) {
		struct vec u = cross(v, w);
		w = v;
		v = u;
	}
	print("vec %lx %lx %lx\n", bits(v.x), bits(v.y), bits(v.z));

	struct quad q = scale((struct quad){ { 1, 2.5f, -3, 1e10f } }, 0.3f);
	print("quad %x %x %x %x\n", bitsf(q.v[0]), bitsf(q.v[1]), bitsf(q.v[2]), bitsf(q.v[3]));

	struct mixed m = { 'a', 1e9, 1234, 0.5f };
	for (int i = 1; i < 6; i++)
		m = change(m, i);
	print("mixed %d %lx %d %x\n", m.c, bits(m.d), m.s, bitsf(m.f));

	struct bits b = { 0 };
	for (u32 i = 0; i < 100; i++) {
		b.a += i;
		b.b ^= b.a * 5 + i;
		b.c = b.c * 3 + b.b;
		b.d -= b.c;
		b.e += 3;
		b.f = b.f * 1000003 + b.d;
	}
	print("bits %u %u %u %u %d %lu\n", b.a, b.b, b.c, b.d, b.e, (u64)b.f);

	static struct node nodes[10];
	struct node *list = NULL;
	for (u32 i = 0; i < COUNT(nodes); i++) {
		nodes[i] = (struct node){ list, { (char)i, i * 0.5, (short)-i, i / 3.0f }, { 1, 2, (u8)i } };
		list = &nodes[i];
	}
	struct node *reversed = NULL;
	while (list) {
		struct node *n = list->next;
		list->next = reversed;
		reversed = list;
		list = n;
	}
	for (struct node *n = reversed; n; n = n->next)
		print("%d/%d/%d ", n->m.c, n->m.s, n->tail[2]);
	print("\nsizes %lu %lu %lu offset %lu\n", sizeof(struct mixed), sizeof(struct bits), sizeof(struct node), offsetof(struct node, tail));

	union view x = { .d = -3.14159 };
	x.b[7] ^= 0x80;
	x.h[0] += 1;
	print("union %lx %x\n", x.u, x.b[3]);
	return 0;
}
