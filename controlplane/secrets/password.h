/* Passwords by Argon2id (64 MiB, t=3, p=1), in the encoded form that names its own parameters.
 * libargon2 stays in password.c. Each call takes some 100 ms and 64 MiB: at most two run at a time,
 * others wait their turn. Any thread. */
#ifndef CONTROLPLANE_SECRETS_PASSWORD_H
#define CONTROLPLANE_SECRETS_PASSWORD_H

#include "common/base/error.h"

#define PASSWORD_MIN 8
#define PASSWORD_MAX 1024
#define PASSWORD_HASH_MAX 128 /* encoded form with NUL */

/* The encoded form of `password` under a fresh salt. False: out of memory, or longer than
 * PASSWORD_MAX. How long or good it must be is the caller's rule. */
bool password_hash(struct str password, char out[static PASSWORD_HASH_MAX], struct error *err);
/* `encoded` NULL or empty (no such user, or one without a password) takes as long as a wrong
 * password does, and is false: so that timing does not tell whether an account exists. */
bool password_verify(struct str password, const char *encoded);
/* A password for people to copy: 20 characters (118 bits), without those that look alike. */
void password_generate(char out[static 24]);

#endif
