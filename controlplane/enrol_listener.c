/* The enrolment listener. A stranger learns nothing here: unknown, used and expired tokens are not
 * told apart. */
#include "controlplane/enrol_listener.h"

#include "common/log.h"
#include "controlplane/channel/channel.h"
#include "controlplane/http/server.h"

#define ENROL_MAX_BODY ((size_t)64 << 10)

static void handle(void *arg, struct http_request *r)
{
    struct channel *channel = arg;
    struct error err = ERROR_INIT;
    struct str json = STR_NONE;
    struct str peer = http_peer(r);
    if (!str_eqz(http_path(r), "/enrol")) {
        error_set(&err, ERR_NOT_FOUND, "not found");
    } else if (!str_eqz(http_method(r), "POST")) {
        http_reply_header(r, "Allow", "POST");
        error_set(&err, ERR_METHOD_NOT_ALLOWED, "only POST");
    } else {
        struct str address = arena_str(http_arena(r), peer);
        (void)channel_enrol(channel, http_body(r), address.ptr ? address.ptr : "", http_arena(r),
                            &json, &err);
    }
    if (err.code != ERR_NONE) {
        /* Somebody with a body for us is worth a line; scanners are not. */
        bool tried = err.code != ERR_NOT_FOUND && err.code != ERR_METHOD_NOT_ALLOWED;
        log_write(tried ? LOG_WARN : LOG_DEBUG, "enrol_refused", "enrolment refused",
                  LOG_S("peer", peer), LOG_Z("code", error_code_name(err.code)),
                  LOG_Z("request_id", http_request_id(r)));
        http_reply_error(r, &err);
        return;
    }
    log_write(LOG_INFO, "enrolled", "data plane enrolled", LOG_S("peer", peer),
              LOG_Z("request_id", http_request_id(r)));
    http_reply(r, 201, "application/json", json);
}

struct http_server *enrol_listener_start(struct channel *channel, const char *address,
                                         uint16_t port, struct error *err)
{
    const struct http_server_config config = {.address = address,
                                              .port = port,
                                              .cert_pem = channel_cert_pem(channel),
                                              .key_pem = channel_key_pem(channel),
                                              .threads = 1,
                                              .max_body = ENROL_MAX_BODY,
                                              .handle = handle,
                                              .arg = channel};
    return http_server_start(&config, err);
}
