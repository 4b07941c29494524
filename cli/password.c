/* The terminal itself is asked, not standard input, so a pipe cannot be taken for a person. */
#include "cli/password.h"

#include <termios.h>

#include "common/base/mem.h"

static bool first_line(FILE *f, char ret[static PASSWORD_ROOM])
{
    ret[0] = '\0';
    if (!fgets(ret, PASSWORD_ROOM, f)) {
        return false;
    }
    bool whole = strchr(ret, '\n') || feof(f);
    ret[strcspn(ret, "\r\n")] = '\0';
    return whole && ret[0];
}

bool password_read_file(const char *path, FILE *in, char ret[static PASSWORD_ROOM],
                        struct error *err)
{
    bool from_stream = strcmp(path, "-") == 0;
    FILE *f = from_stream ? in : fopen(path, "re");
    if (!f) {
        return error_set(err, ERR_INVALID_FIELD, "cannot open \"%.160s\": %m", path);
    }
    bool ok = first_line(f, ret);
    if (!from_stream) {
        (void)fclose(f);
    }
    return ok || error_set(err, ERR_INVALID_FIELD, "\"%.160s\" holds no line of 1 to %d characters",
                           path, PASSWORD_ROOM - 2);
}

bool password_ask(const char *question, bool hidden, const char *instead,
                  char ret[static PASSWORD_ROOM], struct error *err)
{
    struct termios before, quiet;
    FILE *tty = fopen("/dev/tty", "r+e");
    if (!tty) {
        return error_set(err, ERR_INVALID_FIELD, "there is no terminal to ask on: use %s", instead);
    }
    hidden = hidden && tcgetattr(fileno(tty), &before) == 0;
    if (hidden) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(fileno(tty), TCSAFLUSH, &quiet);
    }
    (void)fputs(question, tty);
    (void)fflush(tty);
    bool ok = first_line(tty, ret);
    if (hidden) {
        (void)tcsetattr(fileno(tty), TCSAFLUSH, &before);
        (void)fputs("\n", tty);
    }
    (void)fclose(tty);
    return ok || error_set(err, ERR_INVALID_FIELD, "nothing was typed");
}
