/* The admin API behind one door: main makes it and hands `api_handle` to the HTTP servers. Any
 * number of servers may share one api; api_handle is called on their threads and blocks while it
 * works. */
#ifndef CONTROLPLANE_API_API_H
#define CONTROLPLANE_API_API_H

#include <stdbool.h>
#include <stdint.h>

struct api;
struct catalogue;
struct channel;
struct db_pool;
struct http_request;
struct identity;
struct seal_keys;
struct references;

/* Everything pointed to must outlive the api; texts may be NULL where said. */
struct api_config {
    struct db_pool *pool;
    const struct seal_keys *keys;
    struct channel *channel;
    const struct catalogue *catalogue; /* the installed one; NULL: none */
    struct identity *identity;         /* NULL: no identity providers */
    struct references *references;     /* what ref:NAME stands for; NULL: none */
    bool local_login_off;              /* nobody signs in by password */
    const char *base_path;        /* "/" or "/weir": where the admin API and the web admin stand */
    const char *public_url;       /* how browsers reach this instance, NULL when not told */
    const char *web_admin_folder; /* built web admin, NULL: not served */
    bool secure_cookies;          /* TLS or a public https URL: cookies are marked Secure */
    uint64_t session_idle_ms, session_max_ms;
};

struct api *api_new(const struct api_config *c);
/* After the servers were stopped. Accepts NULL. */
void api_free(struct api *a);
/* The handler for struct http_server_config; `api` is the struct api. */
void api_handle(void *api, struct http_request *r);

#endif
