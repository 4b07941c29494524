/* Who this data plane is: made by enrolment, kept in <state folder>/plane.json (one file, replaced
 * as a whole, so certificate and key never part), mode 0600, sealed when there is a state key. */
#ifndef DATAPLANE_REPORT_IDENTITY_H
#define DATAPLANE_REPORT_IDENTITY_H

#include "common/base/error.h"
#include "common/base/uuid.h"
#include "common/json.h"

#define IDENTITY_ENDPOINTS_MAX 32
#define IDENTITY_URL_MAX 256

/* One control-plane instance's sockets: tls+tcp://host:port */
struct identity_endpoint {
    char sync[IDENTITY_URL_MAX], report[IDENTITY_URL_MAX], announce[IDENTITY_URL_MAX],
        lease[IDENTITY_URL_MAX];
};

struct identity {
    struct uuid plane_id;
    uint8_t secret[32];
    char *cert_pem, *key_pem, *ca_pem; /* heap */
    struct identity_endpoint endpoints[IDENTITY_ENDPOINTS_MAX];
    unsigned n_endpoints;
};

/* 64 hex digits or base64 of 32 bytes. */
bool state_key_parse(const char *text, uint8_t out[static 32], struct error *err);
bool identity_exists(const char *folder);
/* state_key: 32 bytes or NULL. */
bool identity_load(const char *folder, const uint8_t *state_key, struct identity *ret,
                   struct error *err);
bool identity_save(const char *folder, const uint8_t *state_key, const struct identity *i,
                   struct error *err);
void identity_release(struct identity *i);
/* Members of the JSON that enrolment answers and plane.json holds: a text as heap (NULL when it is
 * none), and the list of endpoints, of which the unusable ones are left out (false: none is
 * usable). */
char *identity_text(const struct json_member *m);
bool identity_endpoints(const struct json_member *m, struct identity *i);
/* Copies a URL if it is one of the channel's (tls+tcp://…, not too long). */
bool identity_url(struct str url, char out[static IDENTITY_URL_MAX]);

#endif
