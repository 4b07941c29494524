/* The profile file: a YAML map of quoted texts. It holds a secret, so it is never readable by
 * others, not even for a moment, and a crash leaves either the old file or the new one. */
#include "cli/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buffer.h"
#include "common/base/mem.h"
#include "common/json.h"
#include "common/yaml.h"

#define PROFILE_MAX_BYTES (64u << 10)
#define PATH_MAX_BYTES 4096

char *profile_path(struct error *err)
{
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    struct buffer b;
    buffer_init(&b, PATH_MAX_BYTES);
    if (config && config[0] == '/') {
        buffer_printf(&b, "%s/weir/config.yaml", config);
    } else if (home && home[0] == '/') {
        buffer_printf(&b, "%s/.config/weir/config.yaml", home);
    } else {
        error_set(err, ERR_INVALID_FIELD, "neither XDG_CONFIG_HOME nor HOME is set");
        return NULL;
    }
    if (b.failed) {
        buffer_release(&b);
        error_set(err, ERR_INVALID_FIELD, "the path of the configuration folder is too long");
        return NULL;
    }
    return buffer_detach(&b);
}

static bool take(const struct yaml_node *root, const char *path, const char *name, char **ret,
                 struct error *err)
{
    const struct yaml_node *n = yaml_get(root, name);
    if (!n) {
        return true;
    }
    if (n->kind != YAML_SCALAR || n->text.len == 0 || strlen(n->text.ptr) != n->text.len) {
        return error_set(err, ERR_INVALID_FIELD, "%.160s:%d:%d: %s must be a text", path, n->line,
                         n->column, name);
    }
    *ret = str_dup(n->text);
    return true;
}

bool profile_load(const char *path, struct profile *ret, bool *ret_open, struct error *err)
{
    struct profile p = {.url = NULL};
    struct yaml_node *root;
    struct stat st;
    *ret_open = false;
    if (stat(path, &st) != 0) {
        *ret = p;
        return errno == ENOENT || errno == ENOTDIR ||
               error_set(err, ERR_INVALID_FIELD, "cannot read \"%.160s\": %m", path);
    }
    struct arena *a = arena_new(0);
    bool ok = yaml_parse_file(path, PROFILE_MAX_BYTES, a, &root, err);
    if (!ok && err->line) {
        char text[sizeof(err->text)];
        (void)snprintf(text, sizeof(text), "%s", err->text);
        error_set(err, ERR_INVALID_FIELD, "%.100s:%d:%d: %.100s", path, err->line, err->column,
                  text);
    }
    if (ok && root->kind != YAML_MAP) {
        ok = error_set(err, ERR_INVALID_FIELD, "%.160s: must be a map", path);
    }
    ok = ok && take(root, path, "url", &p.url, err) && take(root, path, "token", &p.token, err) &&
         take(root, path, "token_id", &p.token_id, err) &&
         take(root, path, "organization", &p.organization, err);
    arena_free(a);
    if (!ok) {
        profile_release(&p);
        return false;
    }
    *ret_open = (st.st_mode & 077) != 0;
    *ret = p;
    return true;
}

static void put(struct buffer *b, const char *name, const char *value)
{
    struct json_writer w; /* a JSON string is a YAML one */
    if (value) {
        buffer_printf(b, "%s: ", name);
        json_writer_init(&w, b);
        json_put_z(&w, value);
        buffer_append_z(b, "\n");
    }
}

static bool make_folders(char *path, struct error *err)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int failed = mkdir(path, 0700) != 0 && errno != EEXIST;
        if (failed) {
            error_set(err, ERR_INVALID_FIELD, "cannot make the folder \"%.160s\": %m", path);
        }
        *slash = '/';
        if (failed) {
            return false;
        }
    }
    return true;
}

static bool write_file(const char *path, struct str text, struct error *err)
{
    (void)unlink(path); /* left by a run that was cut short */
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set(err, ERR_INVALID_FIELD, "cannot write \"%.160s\": %m", path);
    }
    size_t done = 0;
    bool ok = true;
    while (ok && done < text.len) {
        ssize_t n = write(fd, text.ptr + done, text.len - done);
        ok = n >= 0 || errno == EINTR;
        done += n > 0 ? (size_t)n : 0;
    }
    ok = ok && fsync(fd) == 0;
    if (!ok) {
        error_set(err, ERR_INVALID_FIELD, "cannot write \"%.160s\": %m", path);
    }
    (void)close(fd);
    return ok;
}

bool profile_save(const char *path, const struct profile *p, struct error *err)
{
    struct buffer text, temporary;
    buffer_init(&text, PROFILE_MAX_BYTES);
    buffer_init(&temporary, PATH_MAX_BYTES + 8);
    buffer_append_z(&text, "# Written by `weir login`; `weir logout` removes it.\n");
    put(&text, "url", p->url);
    put(&text, "token", p->token);
    put(&text, "token_id", p->token_id);
    put(&text, "organization", p->organization);
    buffer_printf(&temporary, "%s.new", path);
    char *name = buffer_detach(&temporary);
    bool ok = !text.failed || error_set(err, ERR_INVALID_FIELD, "the configuration is too large");
    ok = ok && make_folders(name, err) && write_file(name, buffer_str(&text), err);
    if (ok && rename(name, path) != 0) {
        ok = error_set(err, ERR_INVALID_FIELD, "cannot write \"%.160s\": %m", path);
    }
    if (!ok) {
        (void)unlink(name);
    }
    if (text.ptr) {
        explicit_bzero(text.ptr, text.len);
    }
    buffer_release(&text);
    mem_free(name);
    return ok;
}

bool profile_remove(const char *path, struct error *err)
{
    if (unlink(path) == 0 || errno == ENOENT || errno == ENOTDIR) {
        return true;
    }
    return error_set(err, ERR_INVALID_FIELD, "cannot remove \"%.160s\": %m", path);
}

void profile_release(struct profile *p)
{
    mem_free_secret(p->token, p->token ? strlen(p->token) : 0);
    mem_free(p->url);
    mem_free(p->token_id);
    mem_free(p->organization);
    *p = (struct profile){.url = NULL};
}
