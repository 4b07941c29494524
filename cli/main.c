/* weir: the command line. The table of commands stands in cli/commands.c; this is only the process
 * around it. */
#include <signal.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/run.h"

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN); /* `weir logs | head`: the write fails, told below */
    int exit = cli_run(argc, argv, stdin, stdout, stderr);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr,
                "weir: the output could not be written\n"); /* a full disk, or nobody reads on */
        return exit == CLI_OK ? CLI_ERROR : exit;
    }
    return exit;
}
