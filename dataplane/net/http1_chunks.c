/* The chunked coding, decoded in place: the first piece of data stays where it is and what follows
 * moves up to it, so a read that holds one chunk moves nothing. Size lines, extensions and trailers
 * go byte by byte, data by the chunk. */
#include "dataplane/net/http1_read.h"

enum state {
    SIZE = 0,  /* first digit of a size */
    SIZE_MORE, /* further digits */
    EXTENSION, /* behind ';' */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER, /* start of a trailer line */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    END_LF
};

#define SIZE_DIGITS_MAX 15u /* stays below 2^60 */

static bool is_text(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 0x20 && u != 0x7f) || u == '\t';
}

static bool is_name(char c)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
           (c && memchr(others, c, sizeof(others) - 1));
}

static const char *size_byte(struct http1_chunks *c, char b)
{
    int digit = str_hex_digit(b);
    if (digit >= 0) {
        if (++c->digits > SIZE_DIGITS_MAX) {
            return "chunk size is too long";
        }
        c->left = c->left * 16 + (uint64_t)digit;
        c->state = SIZE_MORE;
        return NULL;
    }
    if (c->state == SIZE || (b != ';' && b != '\r')) {
        return "invalid chunk size";
    }
    c->digits = 0;
    c->state = b == ';' ? EXTENSION : SIZE_LF;
    return NULL;
}

/* One byte outside of data; NULL, or what is wrong with it. */
static const char *frame_byte(struct http1_chunks *c, char b)
{
    switch ((enum state)c->state) {
    case SIZE:
    case SIZE_MORE:
        return size_byte(c, b);
    case EXTENSION:
        if (b == '\r') {
            c->state = SIZE_LF;
        } else if (!is_text(b)) {
            return "invalid character in a chunk extension";
        } else if (++c->extra > HTTP1_CHUNK_EXTRA_MAX) {
            return "chunk extensions are too long";
        }
        return NULL;
    case SIZE_LF:
        c->state = c->left ? DATA : TRAILER;
        return b == '\n' ? NULL : "CR without LF";
    case DATA_CR:
        c->state = DATA_LF;
        return b == '\r' ? NULL : "chunk is longer than its size";
    case DATA_LF:
        c->state = SIZE;
        return b == '\n' ? NULL : "CR without LF";
    case TRAILER:
        if (b == '\r') {
            c->state = END_LF;
            return NULL;
        }
        c->state = TRAILER_NAME;
        return is_name(b) ? NULL : "invalid trailer";
    case TRAILER_NAME:
        if (b == ':') {
            c->state = TRAILER_VALUE;
        } else if (!is_name(b)) {
            return "invalid trailer";
        }
        break;
    case TRAILER_VALUE:
        if (b == '\r') {
            c->state = TRAILER_LF;
        } else if (!is_text(b)) {
            return "invalid trailer";
        }
        break;
    case TRAILER_LF:
        c->state = TRAILER;
        return b == '\n' ? NULL : "CR without LF";
    case DATA:
    case END_LF:
        return NULL; /* the caller's */
    }
    return ++c->extra > HTTP1_CHUNK_EXTRA_MAX ? "trailers are too long" : NULL;
}

enum http1_result http1_decode_chunks(struct http1_chunks *c, char *p, size_t n,
                                      struct str *ret_data, size_t *ret_used, struct error *err)
{
    char *out = NULL; /* start of the data */
    size_t out_len = 0, i = 0;
    const char *fault = NULL;
    enum http1_result result = HTTP1_MORE;
    while (i < n && !fault && result == HTTP1_MORE) {
        if (c->state == DATA) {
            size_t take = c->left < n - i ? (size_t)c->left : n - i;
            if (!out) {
                out = p + i;
            } else {
                memmove(out + out_len, p + i, take);
            }
            out_len += take;
            i += take;
            c->left -= take;
            if (c->left == 0) {
                c->state = DATA_CR;
            }
            continue;
        }
        if (c->state == END_LF) {
            if (p[i] == '\n') {
                result = HTTP1_DONE;
            } else {
                fault = "CR without LF";
            }
            i++;
            continue;
        }
        fault = frame_byte(c, p[i++]);
    }
    *ret_data = (struct str){out ? out : p, out_len};
    *ret_used = i;
    if (fault) {
        (void)error_set(err, ERR_BAD_REQUEST, "%s", fault);
        return HTTP1_BAD;
    }
    return result;
}
