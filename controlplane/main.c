/* weir-control: finds the command and runs it. `serve` stands in cp_serve.c. */
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto.h"
#include "controlplane/bootstrap.h"
#include "controlplane/cp_options.h"
#include "controlplane/cp_serve.h"
#include "controlplane/reseal.h"
#include "controlplane/store/db.h"
#include "controlplane/store/migrate.h"

static int report(const char *command, const struct error *err)
{
    fprintf(stderr, "weir-control %s: %s\n", command, error_text(err));
    return 1;
}

static int run_migrate(int argc, char **argv, int first)
{
    struct migrate_options o;
    struct error err = ERROR_INIT;
    unsigned applied = 0;
    if (!migrate_options_load(&o, argc, argv, first, &err)) {
        return report("migrate", &err);
    }
    bool ok = migrate_run(o.owner_url, o.migrations_folder, o.service_role, &applied, &err);
    if (ok) {
        printf("%u migration%s applied\n", applied, applied == 1 ? "" : "s");
    }
    migrate_options_release(&o);
    return ok ? 0 : report("migrate", &err);
}

static int run_bootstrap(int argc, char **argv, int first)
{
    struct bootstrap_options o;
    struct bootstrap_result result;
    struct error err = ERROR_INIT;
    if (!bootstrap_options_load(&o, argc, argv, first, &err)) {
        return report("bootstrap-admin", &err);
    }
    struct db_pool *pool = db_pool_new(o.database_url, 1);
    bool ok = db_pool_check(pool, &err) && bootstrap_admin(pool, &o, &result, &err);
    if (ok) {
        bootstrap_print(&o, &result);
        explicit_bzero(&result, sizeof result);
    }
    db_pool_free(pool);
    bootstrap_options_release(&o);
    return ok ? 0 : report("bootstrap-admin", &err);
}

static int run_new_key(int argc, char **argv, int first)
{
    uint8_t key[CRYPTO_KEY_LEN];
    char text[2 * CRYPTO_KEY_LEN + 1];
    if (first < argc) {
        fprintf(stderr, "weir-control new-key-encryption-key: unexpected argument \"%s\"\n",
                argv[first]);
        return 1;
    }
    crypto_random(key, sizeof key);
    crypto_hex(key, sizeof key, text);
    puts(text);
    explicit_bzero(key, sizeof key);
    explicit_bzero(text, sizeof text);
    return 0;
}

static int run_version(int argc, char **argv, int first)
{
    (void)argc;
    (void)argv;
    (void)first;
    printf("weir-control %s, schema %u\n", WEIR_VERSION, migrate_known());
    return 0;
}

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv, int first);
} commands[] = {
    {"serve", cp_serve},
    {"migrate", run_migrate},
    {"bootstrap-admin", run_bootstrap},
    {"reseal", cp_reseal},
    {"new-key-encryption-key", run_new_key},
    {"version", run_version},
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            cp_options_help();
            return 0;
        }
    }
    if (argc < 2 || argv[1][0] == '-') {
        return cp_serve(argc, argv, 1);
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc, argv, 2);
        }
    }
    fprintf(stderr, "weir-control: unknown command \"%s\" (see weir-control --help)\n", argv[1]);
    return 1;
}
