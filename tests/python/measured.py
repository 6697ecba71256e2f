"""Runs a program within bounds and tells what it took, on the last line of standard error.

usage: measured.py CPU_SECONDS ADDRESS_SPACE_MB PROGRAM [ARGUMENT...]

The bounds end what would not end by itself. The line is `measured: CPU_SECONDS PEAK_KB`: processor time, which does not depend on who
else is at work on the machine, and the most memory that was resident. Needs nothing but Python itself.
"""

import os
import resource
import sys

cpu_s, address_space, program = int(sys.argv[1]), int(sys.argv[2]) << 20, sys.argv[3:]
child = os.fork()
if child == 0:
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    os.execv(program[0], program)
_, status, usage = os.wait4(child, 0)
# A program that did not end its last line must not swallow this one.
print(f"\nmeasured: {usage.ru_utime + usage.ru_stime:.3f} {usage.ru_maxrss}", file=sys.stderr, flush=True)
if os.WIFSIGNALED(status):
    # Whoever waits sees the program's own end. One core file of it is enough.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), os.WTERMSIG(status))
sys.exit(os.waitstatus_to_exitcode(status))
