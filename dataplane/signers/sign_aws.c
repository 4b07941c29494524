/* AWS: Signature Version 4 with the keys of the settings; a Bedrock API key goes as bearer. */
#include "dataplane/canonical/splice.h"
#include "dataplane/signers/aws_sigv4.h"
#include "dataplane/signers/sign.h"

/* "bedrock-runtime.eu-west-1.amazonaws.com" names its region where no setting does. */
static struct str service_of(const struct signing *s)
{
    bool sagemaker = s->row && strcmp(s->row->name, "sagemaker") == 0;
    return sagemaker ? STR_LIT("sagemaker") : STR_LIT("bedrock");
}

enum sign_result sign_aws(struct signing *s, struct arena *a, struct head *out,
                          struct token_purchase *ret, struct error *err)
{
    struct sigv4_request q = {
        .method = s->method,
        .host = s->provider->host_header,
        .path = s->path,
        .query = s->query,
        .region = snap_provider_setting(s->provider, "region"), /* the index fills it */
        .service = service_of(s),
        .time_s = (int64_t)(s->now_ms / 1000),
        .access_key = snap_provider_setting(s->provider, "aws_access_key_id"),
        .secret_key = snap_provider_setting(s->provider, "aws_secret_access_key"),
        .session_token = snap_provider_setting(s->provider, "aws_session_token"),
    };
    struct splice body;
    (void)ret;
    if (!q.access_key.len || !q.secret_key.len) {
        return signer_bearer(s->credential, out, err) ? SIGN_DONE : SIGN_FAILED;
    }
    if (s->n_body) {
        if (!splice_init_pieces(&body, a, s->body, s->n_body)) {
            (void)error_set(err, ERR_INTERNAL, "out of room for the request to the provider");
            return SIGN_FAILED;
        }
        q.payload = splice_join(&body);
        if (!q.payload.ptr && body.len_bytes) {
            (void)error_set(err, ERR_INTERNAL, "out of room for the request to the provider");
            return SIGN_FAILED;
        }
    }
    return sigv4_sign(&q, a, out, err) ? SIGN_DONE : SIGN_FAILED;
}
