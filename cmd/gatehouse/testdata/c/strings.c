#include "lib.h"

static int find(const char *s, const char *what)
{
	for (int i = 0; s[i]; i++) {
		int k = 0;
		while (what[k] && s[i + k] == what[k])
			k++;
		if (!what[k])
			return i;
	}
	return -1;
}

static int distance(const char *a, const char *b)
{
	int row[64];
	int n = (int)strlen(b);
	for (int j = 0; j <= n; j++)
		row[j] = j;
	for (int i = 1; a[i - 1]; i++) {
		int diagonal = row[0];
		row[0] = i;
		for (int j = 1; j <= n; j++) {
			int best = diagonal + (a[i - 1] != b[j - 1]);
			best = row[j] + 1 < best ? row[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[n];
}

static void base64(const char *s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t n = strlen(s);
	for (size_t i = 0; i < n; i += 3) {
		u32 v = 0;
		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (i + k < n ? (u8)s[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			put(k > n - i ? '=' : digits[v >> (18 - 6 * k) & 63]);
	}
	put('\n');
}

static bool match(const char *p, const char *s)
{
	for (; *p; p++, s++) {
		if (*p == '*') {
			for (;; s++) {
				if (match(p + 1, s))
					return true;
				if (!*s)
					return false;
			}
		}
		if (!*s || (*p != '?' && *p != *s))
			return false;
	}
	return !*s;
}

static const char poem[] = "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness";

int main(void)
{
	print("find %d %d %d %d\n", find(poem, "worst"), find(poem, "it"), find(poem, "never"), find(poem, ""));
	print("distance %d %d %d\n", distance("kitten", "sitting"), distance("", "abc"), distance("intention", "execution"));
	base64("");
	base64("M");
	base64("Ma");
	base64("Man");
	base64(poem);
	print("match %d %d %d %d\n", match("*best*age*", poem), match("it ??? *", poem), match("*x*", poem), match("a*b?d", "axxbcd"));

	/* Words with their counts, in the order in which they first appear. */
	struct { const char *at; u32 n, count; } words[32];
	u32 n = 0;
	for (const char *p = poem; *p;) {
		u32 len = 0;
		while (p[len] && p[len] != ' ')
			len++;
		u32 i = 0;
		while (i < n && (words[i].n != len || memcmp(words[i].at, p, len)))
			i++;
		if (i == n) {
			words[n].at = p;
			words[n].n = len;
			words[n++].count = 0;
		}
		words[i].count++;
		p += len;
		p += *p == ' ';
	}
	for (u32 i = 0; i < n; i++) {
		for (u32 k = 0; k < words[i].n; k++)
			put((char)(words[i].at[k] - 32));
		print("=%u ", words[i].count);
	}
	put('\n');

	char s[] = "A man a plan a canal Panama";
	for (size_t i = 0, k = strlen(s) - 1; i < k; i++, k--) {
		char t = s[i];
		s[i] = s[k];
		s[k] = t;
	}
	print("%s %d %d %d\n", s, strcmp("abc", "abd"), strcmp("abc", "ab") > 0, strcmp("", ""));

	/* Run lengths, then back. */
	static const char pixels[] = "WWWWWWWWWWWWBWWWWWWWWWWWWBBBWWWWWWWWWWWWWWWWWWWWWWWWBWWWWWWWWWWWWWW";
	char packed[80];
	int m = 0;
	for (u32 i = 0; pixels[i];) {
		u32 run = 1;
		while (pixels[i + run] == pixels[i])
			run++;
		m += print_to(packed + m, sizeof packed - (size_t)m, "%u%c", run, pixels[i]);
		i += run;
	}
	print("%s\n", packed);
	return 0;
}
