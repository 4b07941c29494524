/* Strict one-pass JSON (RFC 8259) that yields spans into the caller's bytes: nothing is copied,
 * nothing allocated. Rejects what jq, Node and a strict reader reject: trailing bytes, bad escapes,
 * lone surrogates in escapes, control characters in strings, invalid UTF-8, leading zeros, and
 * nesting past max_depth; duplicate names are rejected in the objects whose members are looked up
 * (json_members), where a second reader might pick the other. Any thread; pure functions.
 *
 * Speed is a promise here (tests/bench): string runs go by SSE2/AVX2, a 64 KB prose body validates
 * in about 10 us, so the request path may scan every body. */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/base/buffer.h"
#include "common/base/error.h"

enum json_type {
    JSON_NULL = 0,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_OBJECT,
    JSON_ARRAY
};

/* One value in the text. `raw` is exactly the value's bytes (a string's with its quotes). */
struct json_value {
    enum json_type type;
    bool escaped; /* a string that holds a backslash: json_unescape before comparing */
    struct str raw;
};

/* One wanted top-level (or nested) member. Found: name_at/value filled. */
struct json_member {
    struct str name;         /* in: the decoded name that is wanted */
    bool found;              /* out */
    struct json_value value; /* out */
    struct str whole; /* out: from the name's quote to the value's last byte, for removing it */
};

#define JSON_MAX_DEPTH 128

/* Validates the whole text as one value and finds the wanted members of the top-level object in the
 * same pass (n may be 0). Escaped names ("mod\u0065l") match their decoded form; a duplicate of a
 * wanted name is an error, and so is a top level that is not an object. False: *err is
 * ERR_INVALID_JSON with offset, line, column (counted in bytes) of the first bad byte, the text's
 * length when it ends too early; a bad UTF-8 sequence is blamed on its first byte, a lone surrogate
 * on its backslash. No wanted member is `found` then. max_depth counts open containers; 0 and
 * whatever passes JSON_MAX_DEPTH mean JSON_MAX_DEPTH. err may be NULL. */
bool json_scan(struct str text, struct json_member *wanted, size_t n, unsigned max_depth,
               struct error *err);
/* Same for an object found before (already validated: cheaper, cannot fail except by a duplicate or
 * by not being an object). The error's offset counts from the object's first byte. */
bool json_members(struct json_value object, struct json_member *wanted, size_t n,
                  struct error *err);
/* Validates only; any top-level type. */
bool json_validate(struct str text, unsigned max_depth, struct json_value *ret, struct error *err);

/* Walks a validated array or object: start with *pos = 0; false at the end (and for other types).
 * ret_name may be NULL; an object's names are given as string values, raw with the quotes: compare
 * by json_text_eq. */
bool json_next(struct json_value container, size_t *pos, struct json_value *ret_name,
               struct json_value *ret_value);

/* Decoded text of a string value into buf (cap bytes, no NUL): never longer than raw.len - 2.
 * Returns the length; false when the value is not a string or does not fit. Without escapes use
 * json_text: no copy. */
bool json_unescape(struct json_value v, char *buf, size_t cap, size_t *ret_len);
/* The span between the quotes; only for strings with !escaped. */
struct str json_text(struct json_value v);
/* True when v is a string whose decoded text equals s. */
bool json_text_eq(struct json_value v, struct str s);
/* Integral numbers only ("1e3" and "1.0" are refused); false on range. */
bool json_u64(struct json_value v, uint64_t *ret);
bool json_i64(struct json_value v, int64_t *ret);
/* Fixed-point reading of any JSON number: value * 10^scale, rounded half up (-0.5 gives 0); false
 * on range. Never a float. */
bool json_decimal(struct json_value v, unsigned scale, int64_t *ret);

/* Writer: appends to a buffer (whose `failed` is checked once at the end); commas are put by
 * itself. It sets `failed` too when the calls do not nest: an end without a begin, a name without a
 * value, 63 levels or more. */
struct json_writer {
    struct buffer *out;
    unsigned depth;
    uint64_t has_items; /* bit per depth */
    bool after_name;
};
void json_writer_init(struct json_writer *w, struct buffer *out);
void json_object_begin(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array_begin(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_name(struct json_writer *w, const char *name);
void json_put_str(struct json_writer *w,
                  struct str s); /* invalid UTF-8 becomes U+FFFD; NULL ptr writes null */
void json_put_z(struct json_writer *w, const char *z);
void json_put_u64(struct json_writer *w, uint64_t v);
void json_put_i64(struct json_writer *w, int64_t v);
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
void json_put_raw(struct json_writer *w, struct str raw); /* already valid JSON */
/* name + value in one call */
void json_field_str(struct json_writer *w, const char *name, struct str s);
void json_field_z(struct json_writer *w, const char *name, const char *z);
void json_field_u64(struct json_writer *w, const char *name, uint64_t v);
void json_field_i64(struct json_writer *w, const char *name, int64_t v);
void json_field_bool(struct json_writer *w, const char *name, bool v);

#endif
