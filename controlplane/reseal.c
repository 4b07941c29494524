/* Over the table of sealed columns. */
#include "controlplane/reseal.h"

#include <inttypes.h>
#include <stdio.h>

#include "controlplane/cp_options.h"
#include "controlplane/secrets/seal.h"
#include "controlplane/store/sealed.h"

static bool reseal_all(struct db_pool *pool, const struct seal_keys *keys, struct error *err)
{
    uint64_t failed = 0;
    printf("current key: %s\n", seal_current_id(keys));
    for (size_t i = 0; i < sealed_columns_count; i++) {
        const struct sealed_column *c = &sealed_columns[i];
        struct sealed_count n;
        if (!sealed_renew(pool, keys, c, &n, err)) {
            return false;
        }
        printf("%s.%s: %" PRIu64 " sealed anew, %" PRIu64 " by the current key", c->table,
               c->column, n.resealed, n.current);
        if (n.failed > 0) {
            printf(", %" PRIu64 " by other keys", n.failed);
        }
        printf("\n");
        (void)fflush(stdout);
        failed += n.failed;
    }
    if (failed > 0) {
        return error_set(err, ERR_INTERNAL,
                         "%" PRIu64 " values are still sealed by other keys: they cannot be opened "
                         "with the keys given (--former-keys, --former-key-file), or the service "
                         "still seals by an old one. Keep the old keys and run this again",
                         failed);
    }
    printf("former keys are not needed any more\n");
    return true;
}

int cp_reseal(int argc, char **argv, int first)
{
    struct cp_options o;
    struct error err = ERROR_INIT;
    struct seal_keys *keys;
    if (!cp_options_load(&o, argc, argv, first, &err)) {
        fprintf(stderr, "weir-control reseal: %s\n", error_text(&err));
        return 1;
    }
    keys = cp_options_keys(&o, &err);
    struct db_pool *pool = keys ? db_pool_new(o.database_url, 2) : NULL;
    bool ok = pool && db_pool_check(pool, &err) && reseal_all(pool, keys, &err);
    if (!ok) {
        fprintf(stderr, "weir-control reseal: %s\n", error_text(&err));
    }
    db_pool_free(pool);
    seal_keys_free(keys);
    cp_options_release(&o);
    return ok ? 0 : 1;
}
