/* `weir-control reseal`: seals every stored secret anew by the current key-encryption key, while
 * the service runs. Takes the settings of `serve`. */
#ifndef CONTROLPLANE_RESEAL_H
#define CONTROLPLANE_RESEAL_H

/* Prints what was done for each table to stdout. The exit code: 0 when everything is sealed by the
 * current key, 1 when not, or when the database failed; then it may be run again. */
int cp_reseal(int argc, char **argv, int first);

#endif
