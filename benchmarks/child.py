"""`python -I -S child.py FILE PROGRAM WORD…`: run a program, and print what the run took.

A process of its own, as little as there is: a program's peak memory begins at that of the process
which started it. Prints wall seconds, CPU seconds, bytes of peak memory and the exit code.
"""

import os
import sys
import time


def main(target: str, *words: str) -> None:
    write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, target, write, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, write, 0o600),
    ]
    began = time.perf_counter()
    pid = os.posix_spawn(words[0], words, os.environ, file_actions=actions)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - began
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024
    sys.stdout.write(f"{wall} {cpu} {peak} {os.waitstatus_to_exitcode(status)}")


main(*sys.argv[1:])
