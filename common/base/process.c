/* Both ways in which memory gets to disk: the limit is for files, the flag also for what is piped
 * to a collector, and for ptrace and /proc/PID/mem. */
#include "common/base/process.h"

#include <sys/prctl.h>
#include <sys/resource.h>

bool process_forbid_dumps(void)
{
    static const struct rlimit none = {0, 0};
    bool limited = setrlimit(RLIMIT_CORE, &none) == 0;
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && limited;
}
