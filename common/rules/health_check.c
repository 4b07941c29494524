/* See health_check.h. */
#include "common/rules/health_check.h"

#include <stddef.h>

#include "common/json.h"

#define OFFSET(field) offsetof(struct health_check, field)

static const struct {
    const char *name;
    size_t offset;
    unsigned least, most, fallback;
} numbers[] = {
    {"interval_ms", OFFSET(interval_ms), 1000, 86400000, 10000},
    {"timeout_ms", OFFSET(timeout_ms), 1, 600000, 5000},
    {"failures", OFFSET(failures), 1, 1000, 3},
    {"cooldown_ms", OFFSET(cooldown_ms), 0, 86400000, 30000},
    {"expect_status", OFFSET(expect_status), 100, 599, 0},
};
#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static bool take_number(size_t i, struct json_value v, struct health_check *ret, struct error *err)
{
    uint64_t n;
    if (!json_u64(v, &n) || n < numbers[i].least || n > numbers[i].most) {
        return error_set_param(err, ERR_INVALID_FIELD, numbers[i].name,
                               "%s must be a number from %u to %u", numbers[i].name,
                               numbers[i].least, numbers[i].most);
    }
    *(unsigned *)(void *)((char *)ret + numbers[i].offset) = (unsigned)n;
    return true;
}

/* It goes into a request line as it is. */
static bool take_path(struct json_value v, struct health_check *ret, struct error *err)
{
    struct str path = v.type == JSON_STRING && !v.escaped ? json_text(v) : STR_NONE;
    bool ok = path.len && path.ptr[0] == '/' && path.len <= HEALTH_CHECK_PATH_MAX;
    for (size_t i = 0; ok && i < path.len; i++) {
        ok = path.ptr[i] > ' ' && path.ptr[i] < 0x7f && path.ptr[i] != '#';
    }
    if (!ok) {
        return error_set_param(err, ERR_INVALID_FIELD, "path",
                               "path must begin with '/', without blanks and '#'");
    }
    ret->path = path;
    return true;
}

static bool take_member(struct json_value name, struct json_value v, bool strict,
                        struct health_check *ret, struct error *err)
{
    if (v.type == JSON_NULL) {
        return true;
    }
    for (size_t i = 0; i < N_NUMBERS; i++) {
        if (json_text_eq(name, str_of(numbers[i].name))) {
            return take_number(i, v, ret, err);
        }
    }
    if (json_text_eq(name, STR_LIT("path"))) {
        return take_path(v, ret, err);
    }
    return !strict || error_set_param(err, ERR_INVALID_FIELD, "health_check",
                                      "health_check holds what it does not know: %.*s",
                                      STR_ARG(str_slice(name.raw, 0, 60)));
}

bool health_check_read(struct str json, bool strict, struct health_check *ret, struct error *err)
{
    struct health_check h = {.path = STR_LIT("")};
    struct json_value object, name, value;
    size_t pos = 0;
    for (size_t i = 0; i < N_NUMBERS; i++) {
        *(unsigned *)(void *)((char *)&h + numbers[i].offset) = numbers[i].fallback;
    }
    if (!json_validate(json, 0, &object, NULL) || object.type != JSON_OBJECT) {
        return error_set_param(err, ERR_INVALID_FIELD, "health_check",
                               "health_check must be an object");
    }
    while (json_next(object, &pos, &name, &value)) {
        if (!take_member(name, value, strict, &h, err)) {
            return false;
        }
    }
    *ret = h;
    return true;
}
