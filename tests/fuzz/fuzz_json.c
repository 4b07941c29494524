/* JSON: every path must give the scalar reader's verdict, offset and spans; what is accepted can be
 * walked, and each of its strings survives unescape, writing and unescape again. */
#include "common/base/mem.h"
#include "common/json_kernel.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok)
        abort();
}

/* What one path says of the text. */
struct outcome {
    bool valid, object;
    struct error valid_err, object_err;
    struct json_value root;
    struct json_member m[2];
};

static void outcome_of(json_string_fn fn, struct str text, struct outcome *o)
{
    *o = (struct outcome){.valid_err = ERROR_INIT, .object_err = ERROR_INIT};
    o->m[0].name = STR_LIT("a");
    o->m[1].name = STR_LIT("model");
    o->valid = json_validate_by(fn, text, 0, &o->root, &o->valid_err);
    o->object = json_scan_by(fn, text, o->m, 2, 16, &o->object_err);
}

static void value_compare(struct json_value a, struct json_value b)
{
    must(a.type == b.type && a.escaped == b.escaped);
    must(a.raw.ptr == b.raw.ptr && a.raw.len == b.raw.len);
}

static void error_compare(const struct error *a, const struct error *b)
{
    must(a->code == b->code && a->offset == b->offset && a->line == b->line &&
         a->column == b->column && strcmp(a->text, b->text) == 0);
}

static void outcome_compare(const struct outcome *a, const struct outcome *b)
{
    must(a->valid == b->valid && a->object == b->object);
    error_compare(&a->valid_err, &b->valid_err);
    error_compare(&a->object_err, &b->object_err);
    value_compare(a->root, b->root);
    for (int i = 0; i < 2; i++) {
        must(a->m[i].found == b->m[i].found);
        value_compare(a->m[i].value, b->m[i].value);
    }
}

static void string_check(struct json_value v)
{
    size_t cap = v.raw.len, len = 0, again = 0;
    char *first = mem_alloc(cap), *second = mem_alloc(cap);
    struct json_writer w;
    struct json_value back;
    struct buffer out;

    must(json_unescape(v, first, cap - 2, &len));
    must(json_text_eq(v, (struct str){first, len}));
    must(v.escaped == (memchr(v.raw.ptr, '\\', v.raw.len) != NULL));
    buffer_init(&out, 8 * cap + 64);
    json_writer_init(&w, &out);
    json_put_str(&w, (struct str){first, len});
    must(!out.failed);
    must(json_validate(buffer_str(&out), 0, &back, NULL));
    must(json_unescape(back, second, cap, &again));
    must(len == again && memcmp(first, second, len) == 0);
    buffer_release(&out);
    mem_free(first);
    mem_free(second);
}

static void number_check(struct json_value v)
{
    int64_t integer, fixed;
    uint64_t natural;

    if (json_i64(v, &integer))
        must(json_decimal(v, 0, &fixed) && fixed == integer);
    if (json_u64(v, &natural) && natural <= INT64_MAX)
        must(json_i64(v, &integer) && (uint64_t)integer == natural);
    (void)json_decimal(v, 9, &fixed);
}

static void walk(struct json_value v)
{
    struct json_value name, item, again;
    size_t pos = 0;

    must(json_validate(v.raw, 0, &again, NULL));
    value_compare(v, again);
    if (v.type == JSON_STRING)
        string_check(v);
    else if (v.type == JSON_NUMBER)
        number_check(v);
    while (json_next(v, &pos, &name, &item)) {
        if (v.type == JSON_OBJECT)
            string_check(name);
        walk(item);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* memory of its own, so that a read past the end is seen */
    char *copy = size > 0 ? mem_dup(data, size) : mem_alloc(1);
    struct str text = {copy, size};
    struct json_value loose = {JSON_OBJECT, false, text}, name, item;
    struct outcome scalar, other;
    size_t pos = 0;

    outcome_of(NULL, text, &scalar);
    must(scalar.valid == (scalar.valid_err.offset < 0));
    must(scalar.valid || scalar.valid_err.offset <= (int64_t)size);
    for (int p = JSON_PATH_SCALAR + 1; p < JSON_PATH_COUNT; p++) {
        if (!json_path_present((enum json_path)p))
            continue;
        outcome_of(json_string_by((enum json_path)p), text, &other);
        outcome_compare(&scalar, &other);
    }
    if (scalar.valid && size < 4096)
        walk(scalar.root);
    /* text that nobody validated is walked safely */
    while (json_next(loose, &pos, &name, &item))
        must(item.raw.ptr + item.raw.len <= copy + size);
    mem_free(copy);
    return 0;
}
