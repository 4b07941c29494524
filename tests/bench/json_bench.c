/* What one look at a request body costs: ns per json_scan for bodies of prose, of escaped program
 * text and of Chinese, by each path of this machine, interleaved in one run. Judge by the ratios (x
 * = scalar's time over that path's); the machine under it is rarely quiet. Usage: bench-json-bench
 * [rounds] */
#include "common/base/mem.h"
#include "common/json_kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *const path_names[JSON_PATH_COUNT] = {"scalar", "sse2", "avx2"};

static const char *const fillers[] = {
    "The committee met on Tuesday and agreed that the bridge should be closed for repairs until "
    "the "
    "river falls; traffic will go round by the old mill, as it did last spring. ",
    "static int read_all(int fd)\\n{\\n\\tchar buf[64];\\n\\n\\tif (fd < 0)\\n\\t\\treturn "
    "fail(\\\"bad fd\\\", \\\"%s\\\\n\\\");\\n\\twhile (n > 0) {\\n\\t\\tn = read(fd, "
    "buf);\\n\\t}\\n}\\n",
    "\xe6\xb2\xb3\xe6\xb0\xb4\xe9\x80\x80\xe5\x8e\xbb\xe4\xb9\x8b\xe5\x89\x8d\xef\xbc\x8c\xe6\xa1"
    "\xa5"
    "\xe6\xa2\x81\xe5\xb0\x86\xe5\x85\xb3\xe9\x97\xad\xe7\xbb\xb4\xe4\xbf\xae\xe3\x80\x82",
};
static const char *const filler_names[] = {"prose", "escaped", "cjk"};
static const size_t sizes[] = {300, 4096, 65536};

/* A chat completion request of about `size` bytes. */
static struct str body_make(const char *filler, size_t size)
{
    static const char head[] =
        "{\"model\":\"gpt-4o\",\"messages\":[{\"role\":\"system\",\"content\":\"Be "
        "brief.\"},{\"role\":\"user\",\"content\":\"";
    static const char foot[] = "\"}],\"temperature\":0.2,\"max_tokens\":256,\"stream\":true}";
    size_t step = strlen(filler), n = sizeof(head) - 1;
    char *text = mem_alloc(size + step + sizeof(head) + sizeof(foot));

    memcpy(text, head, n);
    do {
        memcpy(text + n, filler, step);
        n += step;
    } while (n + step + sizeof(foot) <= size);
    memcpy(text + n, foot, sizeof(foot) - 1);
    return (struct str){text, n + sizeof(foot) - 1};
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double scan_ns(json_string_fn fn, struct str body, int times)
{
    struct json_member m[] = {{.name = STR_LIT("model")},
                              {.name = STR_LIT("stream")},
                              {.name = STR_LIT("stream_options")},
                              {.name = STR_LIT("max_tokens")}};
    double start = now_ns();

    for (int i = 0; i < times; i++) {
        if (!json_scan_by(fn, body, m, 4, 0, NULL) || !m[1].found) {
            fprintf(stderr, "json_bench: the body was refused\n");
            exit(1);
        }
    }
    return (now_ns() - start) / times;
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 15;

    printf("%-8s %7s %8s %12s %12s %8s\n", "text", "bytes", "path", "ns", "us/KB", "x");
    for (size_t f = 0; f < sizeof(fillers) / sizeof(fillers[0]); f++) {
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            struct str body = body_make(fillers[f], sizes[s]);
            double best[JSON_PATH_COUNT] = {0};
            int times = (int)(400000 / body.len) + 4;

            for (long r = 0; r < rounds; r++) {
                for (int p = 0; p < JSON_PATH_COUNT; p++) {
                    double ns;

                    if (!json_path_present((enum json_path)p))
                        continue;
                    ns = scan_ns(json_string_by((enum json_path)p), body, times);
                    if (best[p] == 0 || ns < best[p])
                        best[p] = ns;
                }
            }
            for (int p = 0; p < JSON_PATH_COUNT; p++) {
                if (best[p] > 0)
                    printf("%-8s %7zu %8s %12.0f %12.3f %8.1f\n", filler_names[f], body.len,
                           path_names[p], best[p], best[p] / 1000 / ((double)body.len / 1024),
                           best[0] / best[p]);
            }
            mem_free((void *)(uintptr_t)body.ptr);
        }
    }
    return 0;
}
