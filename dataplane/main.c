/* weir-proxy: the data plane. Reads its settings, enrols when told to, then hands over to the
 * service. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/process.h"
#include "common/base/mem.h"
#include "common/log.h"
#include "dataplane/service_parts.h"
#include "dataplane/standalone/standalone.h"

static int fail(const char *what, const struct error *err)
{
    (void)fprintf(stderr, "weir-proxy: %s%s%s\n", what, *what ? ": " : "", error_text(err));
    return 1;
}

/* FILE:line:col: message */
static int fail_config(const char *file, const struct error *err)
{
    const char *text = error_text(err);
    size_t len = strlen(file);
    if (strncmp(text, file, len) == 0 && text[len] == ':') {
        (void)fprintf(stderr, "%s\n", text);
    } else if (err->line > 0) {
        (void)fprintf(stderr, "%s:%d:%d: %s\n", file, err->line, err->column, text);
    } else {
        (void)fprintf(stderr, "%s: %s\n", file, text);
    }
    return 1;
}

static bool has_word(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], word) == 0) {
            return true;
        }
    }
    return false;
}

/* The file's settings lie under environment and flags. */
static int load_options(struct dp_options *o, const char *config, int argc, char **argv, int first)
{
    struct standalone_settings settings = {.arena = NULL};
    struct error err = ERROR_INIT;
    if (config && !standalone_load(config, NULL, &settings, &err)) {
        return fail_config(config, &err);
    }
    bool ok = dp_options_load(o, settings.node, config, argc, argv, first, &err);
    standalone_settings_release(&settings);
    if (!ok && config && err.line > 0) {
        return fail_config(config, &err);
    }
    return ok ? 0 : fail("", &err);
}

static const char *config_of(int argc, char **argv)
{
    const char *file = options_peek(argc, argv, "config");
    if (!file) {
        file = getenv("WEIR_PROXY_CONFIG");
    }
    return file && *file ? file : NULL;
}

static int check(int argc, char **argv)
{
    const char *config = config_of(argc, argv);
    struct dp_options o;
    if (!config) {
        (void)fprintf(stderr, "weir-proxy: check needs --config FILE\n");
        return 2;
    }
    int code = load_options(&o, config, argc, argv, 2);
    if (code == 0) {
        dp_options_release(&o);
        (void)printf("OK\n");
    }
    return code;
}

/* Managed mode needs an identity; a token makes one. */
static bool ensure_enrolled(const struct dp_options *o, struct error *err)
{
    char host[256] = "weir-proxy";
    if (bridge_is_enrolled(o->state_folder)) {
        return true;
    }
    if (!o->enrol || !o->control) {
        return error_set(err, ERR_UNAUTHENTICATED,
                         "not enrolled: give --enrol TOKEN and --control HOST:PORT, or --config "
                         "weir.yaml to run standalone");
    }
    (void)gethostname(host, sizeof(host) - 1);
    if (!bridge_enrol(o->state_folder, o->state_key, o->enrol, o->control, o->name ? o->name : host,
                      err)) {
        return false;
    }
    log_write(LOG_INFO, "enrolled", "enrolled with the control plane",
              LOG_Z("control", o->control));
    return true;
}

static int serve(struct dp_options *o)
{
    struct error err = ERROR_INIT;
    enum log_level level = LOG_INFO;
    (void)log_level_parse(str_of(o->log_level), &level);
    log_init("weir-proxy", level, strcmp(o->log_format, "json") == 0);
    if (!o->core_dumps && !process_forbid_dumps()) {
        log_write(LOG_WARN, "dumps_allowed", "core dumps could not be switched off");
    }
    signals_block();
    if (!o->config && !ensure_enrolled(o, &err)) {
        dp_options_release(o);
        return fail("", &err);
    }
    struct service *s = service_new(o, &err);
    if (!s) {
        return fail("cannot start", &err);
    }
    int code = service_run(s);
    service_free(s);
    log_write(LOG_INFO, "ended", "weir-proxy has ended");
    return code;
}

int main(int argc, char **argv)
{
    struct dp_options o;
    if (has_word(argc, argv, "--version")) {
        (void)printf("weir-proxy %s\n", WEIR_VERSION);
        return 0;
    }
    if (has_word(argc, argv, "--help") || has_word(argc, argv, "-h")) {
        dp_options_help();
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "check") == 0) {
        return check(argc, argv);
    }
    int code = load_options(&o, config_of(argc, argv), argc, argv, 1);
    return code ? code : serve(&o);
}
