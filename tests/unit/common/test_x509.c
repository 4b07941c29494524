/* Promises of common/x509.h. That the certificates work on a wire is tested in test_tls.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/x509.h"

static char *ca_cert, *ca_key;
static struct error err = ERROR_INIT;

static int make_ca(void **state)
{
    (void)state;
    return x509_make_ca("weir test CA", 3650, &ca_cert, &ca_key, &err) ? 0 : -1;
}

static int free_ca(void **state)
{
    (void)state;
    mem_free(ca_cert);
    mem_free_secret(ca_key, strlen(ca_key));
    return 0;
}

static void a_request_is_signed(void **state)
{
    (void)state;
    char *csr = NULL, *key = NULL, *cert = NULL;
    assert_true(x509_make_csr("proxy-1", &csr, &key, &err));
    assert_non_null(strstr(csr, "-----BEGIN CERTIFICATE REQUEST-----"));
    assert_non_null(strstr(key, "-----BEGIN PRIVATE KEY-----"));
    assert_true(x509_sign_csr(csr, ca_cert, ca_key, "dp_1", false, NULL, 90, &cert, &err));
    uint64_t now = clock_wall_ms() / 1000, until = x509_not_after(cert);
    assert_true(until > now + 89 * 86400 && until <= now + 90 * 86400 + 60);
    uint8_t first[32], second[32];
    assert_true(x509_fingerprint(cert, first, &err));
    mem_free(cert);
    assert_true(x509_sign_csr(csr, ca_cert, ca_key, "dp_1", false, NULL, 90, &cert, &err));
    assert_true(x509_fingerprint(cert, second, &err));
    assert_memory_not_equal(first, second, 32); /* serials differ */
    mem_free(cert);
    mem_free(csr);
    mem_free_secret(key, strlen(key));
}

static void nothing_outlives_its_ca(void **state)
{
    (void)state;
    char *cert = NULL, *key = NULL;
    assert_true(x509_make_server(ca_cert, ca_key, "weir", "localhost", 36500, &cert, &key, &err));
    assert_true(x509_not_after(cert) == x509_not_after(ca_cert));
    mem_free(cert);
    mem_free_secret(key, strlen(key));
}

/* Base64 text of a PEM with one character changed, so that the signature no longer fits. */
static void spoil(char *pem)
{
    char *at = strstr(pem, "-----END") - 20;
    *at = *at == 'A' ? 'B' : 'A';
}

static void forged_requests_are_refused(void **state)
{
    (void)state;
    char *csr = NULL, *key = NULL, *cert = NULL;
    assert_true(x509_make_csr("proxy-1", &csr, &key, &err));
    spoil(csr);
    assert_false(x509_sign_csr(csr, ca_cert, ca_key, "dp_1", false, NULL, 90, &cert, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_false(x509_sign_csr("junk", ca_cert, ca_key, "dp_1", false, NULL, 90, &cert, &err));
    assert_int_equal(err.code, ERR_INVALID_FIELD);
    assert_false(x509_sign_csr(ca_cert, ca_cert, ca_key, "dp_1", false, NULL, 90, &cert, &err));
    assert_null(cert);
    mem_free(csr);
    mem_free_secret(key, strlen(key));
}

static void a_ca_needs_its_own_key(void **state)
{
    (void)state;
    char *other_cert = NULL, *other_key = NULL, *cert = NULL, *key = NULL;
    assert_true(x509_make_ca("other", 10, &other_cert, &other_key, &err));
    assert_false(x509_make_server(ca_cert, other_key, "x", "localhost", 1, &cert, &key, &err));
    assert_false(x509_make_server("", ca_key, "x", "localhost", 1, &cert, &key, &err));
    assert_false(x509_make_server(ca_cert, "", "x", "localhost", 1, &cert, &key, &err));
    assert_null(cert);
    assert_null(key);
    mem_free(other_cert);
    mem_free(other_key);
}

static void names_cannot_be_smuggled_in(void **state)
{
    (void)state;
    static const char *const bad[] = {"a b", "x\ny", "DNS:evil", "", "a,,b", "a,"};
    char *cert = NULL, *key = NULL;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        bool ok = x509_make_server(ca_cert, ca_key, "x", bad[i], 1, &cert, &key, &err);
        assert_true(ok == (bad[i][0] == '\0')); /* no names at all is allowed */
        if (ok) {
            mem_free(cert);
            mem_free(key);
        } else {
            assert_string_equal(err.param, "names");
        }
    }
    assert_false(x509_make_ca("", 1, &cert, &key, &err));
}

static void unreadable_texts_are_no_certificates(void **state)
{
    (void)state;
    uint8_t out[32];
    assert_false(x509_fingerprint("junk", out, &err));
    assert_true(x509_not_after("junk") == 0);
    assert_true(x509_not_after(ca_key) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_signed),
        cmocka_unit_test(nothing_outlives_its_ca),
        cmocka_unit_test(forged_requests_are_refused),
        cmocka_unit_test(a_ca_needs_its_own_key),
        cmocka_unit_test(names_cannot_be_smuggled_in),
        cmocka_unit_test(unreadable_texts_are_no_certificates),
    };
    return cmocka_run_group_tests(tests, make_ca, free_ca);
}
