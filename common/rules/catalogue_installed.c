/* Where the installed catalogue lies: the file that a setting names, else beside the program (a
 * build directory, deploy/up), else in <prefix>/share/weir (a package). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/rules/catalogue.h"

static bool beside_program(const char *below, char path[static CATALOGUE_PATH_MAX])
{
    char program[CATALOGUE_PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);
    if (n <= 0) {
        return false;
    }
    program[n] = '\0';
    char *slash = strrchr(program, '/');
    if (!slash) {
        return false;
    }
    *slash = '\0';
    int len = snprintf(path, CATALOGUE_PATH_MAX, "%s/%s", program, below);
    return len > 0 && len < CATALOGUE_PATH_MAX && access(path, R_OK) == 0;
}

struct catalogue *catalogue_load_installed(const char *named,
                                           char ret_path[static CATALOGUE_PATH_MAX],
                                           struct error *err)
{
    ret_path[0] = '\0';
    if (named && *named) {
        (void)snprintf(ret_path, CATALOGUE_PATH_MAX, "%s", named);
        return catalogue_load(named, err);
    }
    if (!beside_program("catalogue.json", ret_path) &&
        !beside_program("../share/weir/catalogue.json", ret_path)) {
        ret_path[0] = '\0';
        (void)error_set(err, ERR_NOT_FOUND, "there is no catalogue.json beside the program");
        return NULL;
    }
    return catalogue_load(ret_path, err);
}
