/* A provider's error answer in the client's own shape, class and status, so that each SDK raises
 * its right exception; what is in that shape already passes as it came. */
#include "common/log.h"
#include "dataplane/canonical/head.h"
#include "dataplane/stages/answer.h"
#include "dataplane/stages/routing.h"

#define LOGGED_MAX 2048
#define HIDDEN STR_LIT("[hidden]")

/* Some providers repeat the key that they refuse. */
static struct str without(struct arena *a, struct str text, struct str secret)
{
    struct head h;
    if (secret.len < 6 || text.len < secret.len ||
        !memmem(text.ptr, text.len, secret.ptr, secret.len) ||
        !head_init(&h, a, text.len + (text.len / secret.len + 1) * HIDDEN.len)) {
        return text;
    }
    const char *p = text.ptr, *end = text.ptr + text.len, *at;
    while ((at = memmem(p, (size_t)(end - p), secret.ptr, secret.len)) != NULL) {
        head_put(&h, (struct str){p, (size_t)(at - p)});
        head_put(&h, HIDDEN);
        p = at + secret.len;
    }
    head_put(&h, (struct str){p, (size_t)(end - p)});
    return h.failed ? text : head_str(&h);
}

struct str answer_without_secrets(const struct request *r, struct str text)
{
    const struct snap_provider *p = r->candidates[r->candidate].provider;
    text = without(r->arena, text, p->credential);
    text = without(r->arena, text, r->candidates[r->candidate].credential);
    text = without(r->arena, text, r->client_credential);
    text = without(r->arena, text, r->token);
    if (r->candidates[r->candidate].step) {
        text = without(r->arena, text, r->candidates[r->candidate].step->credential);
    }
    for (size_t i = 0; i < p->n_settings; i++) {
        const struct provider_setting *s = provider_setting_named(p->settings[i].name);
        if (s && s->secret) {
            text = without(r->arena, text, p->settings[i].value);
        }
    }
    return text;
}

static struct str cut_text(struct str s, size_t max)
{
    size_t n = s.len < max ? s.len : max;
    while (n < s.len && n > 0 && ((unsigned char)s.ptr[n] & 0xc0) == 0x80) {
        n--;
    }
    return str_slice(s, 0, n);
}

void answer_log_failure(const struct request *r, int status, struct str original)
{
    const struct snap_provider *p = r->candidates[r->candidate].provider;
    struct str shown = cut_text(answer_without_secrets(r, original), LOGGED_MAX);
    log_write(LOG_WARN, "provider_error", "the provider answered with an error",
              LOG_Z("request", r->id_text), LOG_S("provider", p->name), LOG_I("status", status),
              LOG_S("original", shown));
}

static bool passes(const struct request *r, const struct relay *rl)
{
    if (r->translation || rl->whole.failed) {
        return false;
    }
    return !r->dialect->error_is_own || r->dialect->error_is_own(buffer_str(&rl->whole));
}

static struct str header_of(const struct relay *rl, const char *name)
{
    for (size_t i = 0; i < rl->n_headers; i++) {
        if (str_eq_nocase(rl->headers[i].name, str_of(name))) {
            return rl->headers[i].value;
        }
    }
    return STR_NONE;
}

/* All header fields but those that describe a body which is not there any more. */
static void drop_content_headers(struct relay *rl)
{
    static const char *const dropped[] = {"content-type", "content-encoding", "content-language",
                                          "etag",         "last-modified",    "x-amzn-errortype",
                                          "accept-ranges"};
    size_t n = 0;
    for (size_t i = 0; i < rl->n_headers; i++) {
        bool drop = false;
        for (size_t k = 0; k < sizeof(dropped) / sizeof(dropped[0]); k++) {
            drop = drop || str_eq_nocase(rl->headers[i].name, str_of(dropped[k]));
        }
        if (!drop) {
            rl->headers[n++] = rl->headers[i];
        }
    }
    rl->n_headers = n;
}

/* Which failures another target may mend is told by the provider's words, not by the status alone.
 */
static bool lead_on(struct request *r, struct str body, struct str errortype, enum verdict *ret)
{
    int status = request_attempt(r)->status;
    struct provider_error e = {.status = status};
    if (!r->routing && r->candidates[r->candidate].provider->n_credentials < 2) {
        return false;
    }
    provider_error_read(body, status, errortype, r->arena, &e);
    provider_error_refine(&e);
    struct attempt_failure f = {.class = e.class,
                                .code = ERR_PROVIDER_ERROR,
                                .outcome = EVENT_PROVIDER_ERROR,
                                .status = status};
    return attempt_failed(r, &f, ret);
}

enum verdict answer_failure(struct request *r, struct relay *rl)
{
    const struct attempt *t = request_attempt(r);
    struct str body = answer_without_secrets(r, buffer_str(&rl->whole));
    struct provider_error e = {.status = t->status};
    struct str errortype = header_of(rl, "x-amzn-errortype");
    answer_log_failure(r, t->status, body);
    enum verdict next;
    if (lead_on(r, body, errortype, &next)) {
        return next;
    }
    r->reply = (struct reply){.status = t->status, .outcome = EVENT_PROVIDER_ERROR};
    if (passes(r, rl)) {
        r->reply.body = body;
        r->reply.content_type = STR_LIT(""); /* stands among the provider's own fields */
        r->reply.headers = rl->headers;
        r->reply.n_headers = rl->n_headers;
        return VERDICT_ANSWERED;
    }
    provider_error_read(body, t->status, errortype, r->arena, &e);
    provider_error_refine(&e);
    e.provider = r->candidates[r->candidate].provider->name;
    struct error err = ERROR_INIT;
    err.code = ERR_PROVIDER_ERROR;
    struct failure f = {.error = &err,
                        .provider = &e,
                        .request_id = str_of(r->id_text),
                        .status = failure_status(e.class)};
    if (r->dialect->error_status) {
        f.status = r->dialect->error_status(&f);
    }
    drop_content_headers(rl);
    r->reply.headers = rl->headers;
    r->reply.n_headers = rl->n_headers;
    r->reply.status = f.status;
    r->reply.body = r->dialect->error_body(r->arena, &f);
    if (r->dialect->error_header && r->dialect->error_header_value) {
        (void)request_reply_header(r, r->dialect->error_header, r->dialect->error_header_value(&f));
    }
    return VERDICT_ANSWERED;
}
