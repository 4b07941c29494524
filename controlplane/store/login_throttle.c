/* Counting of sign-in attempts. Rows are locked in one order (account, then address), so attempts
 * never deadlock. */
#include "controlplane/store/login_throttle.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#define NETWORK_MAX (INET6_ADDRSTRLEN + 4)

/* Whom an address stands for: a subscriber has a whole /64 of IPv6 addresses to try from, and an
 * IPv4 address may come in IPv6's clothes. */
static struct str network_of(struct str address, char out[static NETWORK_MAX])
{
    struct in6_addr v6;
    char text[INET6_ADDRSTRLEN];
    if (address.len >= sizeof text) {
        return address;
    }
    memcpy(text, address.ptr ? address.ptr : "", address.len);
    text[address.len] = '\0';
    if (inet_pton(AF_INET6, text, &v6) != 1) {
        return address;
    }
    if (IN6_IS_ADDR_V4MAPPED(&v6)) {
        (void)inet_ntop(AF_INET, &v6.s6_addr[12], out, NETWORK_MAX);
        return str_of(out);
    }
    memset(&v6.s6_addr[8], 0, 8);
    (void)inet_ntop(AF_INET6, &v6, text, sizeof text);
    (void)snprintf(out, NETWORK_MAX, "%s/64", text);
    return str_of(out);
}

static bool take(struct tx *t, const char *kind, struct str subject, int max, uint64_t *ret_wait_s,
                 struct error *err)
{
    struct db_rows *rows = NULL;
    if (!tx_exec(t, NULL, err,
                 "INSERT INTO login_throttle (kind, subject) VALUES ($1, lower($2)) ON CONFLICT DO "
                 "NOTHING",
                 DB_Z(kind), DB_STR(subject)) ||
        !tx_exec(
            t, &rows, err,
            "SELECT CASE WHEN locked_until > now() THEN ceil(extract(epoch FROM locked_until - "
            "now()))::bigint "
            "ELSE 0 END FROM login_throttle WHERE kind = $1 AND subject = lower($2) FOR UPDATE",
            DB_Z(kind), DB_STR(subject))) {
        return false;
    }
    int64_t wait = db_i64(rows, 0, 0);
    db_rows_free(rows);
    if (wait > 0) {
        *ret_wait_s = (uint64_t)wait;
        return true;
    }
    *ret_wait_s = 0;
    return tx_exec(
        t, NULL, err,
        "UPDATE login_throttle SET failures = n.failures, "
        "window_start = CASE WHEN n.stale THEN now() ELSE window_start END, "
        "locked_until = CASE WHEN n.failures >= $3 THEN now() + interval '1 second' * "
        "least(30 * 2 ^ least(n.failures - $3, 20), 3600) END "
        "FROM (SELECT s.stale, CASE WHEN s.stale THEN 1 ELSE s.failures + 1 END AS failures FROM "
        "(SELECT failures, greatest(window_start, locked_until) < now() - interval '15 minutes' AS "
        "stale "
        "FROM login_throttle WHERE kind = $1 AND subject = lower($2)) s) n "
        "WHERE kind = $1 AND subject = lower($2)",
        DB_Z(kind), DB_STR(subject), DB_I64(max));
}

bool login_throttle_take(struct tx *t, struct str account, struct str address, uint64_t *ret_wait_s,
                         struct error *err)
{
    char network[NETWORK_MAX];
    uint64_t wait = 0;
    if (!take(t, "account", account, LOGIN_ACCOUNT_FAILURES, &wait, err) ||
        (wait == 0 &&
         !take(t, "address", network_of(address, network), LOGIN_ADDRESS_FAILURES, &wait, err))) {
        return false;
    }
    *ret_wait_s = wait;
    return true;
}

bool login_throttle_clear(struct tx *t, struct str account, struct str address, struct error *err)
{
    char network[NETWORK_MAX];
    return tx_exec(t, NULL, err,
                   "DELETE FROM login_throttle WHERE kind = 'account' AND subject = lower($1)",
                   DB_STR(account)) &&
           tx_exec(t, NULL, err,
                   "UPDATE login_throttle SET failures = failures - 1, locked_until = NULL WHERE "
                   "kind = 'address' "
                   "AND subject = lower($1) AND failures > 0",
                   DB_STR(network_of(address, network)));
}
