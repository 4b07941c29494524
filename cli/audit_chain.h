/* Verifies the lines of an audit export (docs/security.md, "The audit log"): hashes, order and
 * completeness, of any number of chains. */
#ifndef CLI_AUDIT_CHAIN_H
#define CLI_AUDIT_CHAIN_H

#include "common/base/error.h"

#define AUDIT_HASH_LEN 64 /* hex digits */

struct audit_check;

/* `head`: a hash that was noted earlier, which a row must have; NULL: none. */
struct audit_check *audit_check_new(const char *head);
void audit_check_free(struct audit_check *c); /* accepts NULL */
/* One line, in the order of the export; an empty one is passed over. False: *err says what is wrong
 * with which row; nothing more is to be added. */
bool audit_check_line(struct audit_check *c, struct str line, struct error *err);
/* Behind the last line: false when the end of a chain is missing, or no row has the noted hash. */
bool audit_check_end(const struct audit_check *c, struct error *err);

/* What was verified, of chain number i. */
struct audit_chain {
    char id[37];
    uint64_t from, seq; /* rows behind `from` (0: all) up to this one */
    char hash[AUDIT_HASH_LEN + 1];
    bool ended; /* the line of its head was there */
};
size_t audit_check_chains(const struct audit_check *c);
const struct audit_chain *audit_check_chain(const struct audit_check *c, size_t i);

#endif
