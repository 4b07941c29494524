/* Brake on guessing passwords, per account and per address, in the database, so that all instances
 * share it. An attempt is counted before its password is looked at, so parallel guesses cannot slip
 * through; success takes it back. System role. */
#ifndef CONTROLPLANE_STORE_LOGIN_THROTTLE_H
#define CONTROLPLANE_STORE_LOGIN_THROTTLE_H

#include "controlplane/store/db.h"

#define LOGIN_ACCOUNT_FAILURES \
    5 /* within 15 minutes; then locked: 30 s, doubling with each failure, up to an hour */
#define LOGIN_ADDRESS_FAILURES 20 /* an address may stand for an office */

/* Counts one attempt for both; an IPv6 address stands for its /64.  *ret_wait_s: 0 it may go on
 * (commit then), else the seconds to wait (roll back). */
bool login_throttle_take(struct tx *t, struct str account, struct str address, uint64_t *ret_wait_s,
                         struct error *err);
/* After a success: forgets the account's failures and takes the attempt back from the address. */
bool login_throttle_clear(struct tx *t, struct str account, struct str address, struct error *err);

#endif
