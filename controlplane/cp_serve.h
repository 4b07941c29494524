/* `weir-control serve`: starts everything in order, waits for a signal, stops in reverse. */
#ifndef CONTROLPLANE_CP_SERVE_H
#define CONTROLPLANE_CP_SERVE_H

/* Returns the exit code: 0 after SIGTERM or SIGINT, 1 when it could not start (the reason is
 * logged). */
int cp_serve(int argc, char **argv, int first);

#endif
