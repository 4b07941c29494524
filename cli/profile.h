/* Where `weir login` keeps how to reach the control plane: $XDG_CONFIG_HOME/weir/config.yaml, else
 * ~/.config/weir/config.yaml, mode 0600 in a folder of mode 0700. */
#ifndef CLI_PROFILE_H
#define CLI_PROFILE_H

#include "common/base/error.h"

struct profile {
    char *url, *token, *token_id, *organization; /* heap; NULL when absent */
};

/* The file's path, heap; NULL with *err set when neither variable is there. */
char *profile_path(struct error *err);
/* Fills *ret; an absent file gives an empty profile. *ret_open is true when others may read the
 * file. */
bool profile_load(const char *path, struct profile *ret, bool *ret_open, struct error *err);
/* Makes the folder, writes a new file beside the old one and renames it. */
bool profile_save(const char *path, const struct profile *p, struct error *err);
/* True also when there was none. */
bool profile_remove(const char *path, struct error *err);
void profile_release(struct profile *p);

#endif
