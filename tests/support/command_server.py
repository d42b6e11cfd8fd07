"""A process that forks itself into the commands that tests start, with their modules imported.

:mod:`support.commands` starts it. The imports of a command take longer than its work in most tests.
"""

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import warnings
from typing import Any

COMMANDS = ("campaign", "catalog", "cube", "ingest", "report", "validate")


def serve(channel: socket.socket) -> None:
    """Fork into each command that is requested. Ends when the process that sends the requests has ended."""
    # For each descriptor that signals the end of a process: the process, and the connection for its
    # exit status.
    commands: dict[int, tuple[int, int]] = {}
    while True:
        ready, _, _ = select.select([channel, *commands], [], [])
        for ended in [each for each in ready if each in commands]:
            pid, status = commands.pop(ended)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.write(status, f"{code}\n".encode())
            os.close(status)
            os.close(ended)
        if channel not in ready:
            continue
        asked, descriptors, _, _ = socket.recv_fds(channel, 1 << 20, 4)
        if not asked:
            return
        *standard, status = descriptors
        pid = os.fork()
        if not pid:
            channel.close()
            for each in (status, *commands, *(told for _, told in commands.values())):
                os.close(each)
            _become(json.loads(asked), standard)
            return
        for each in standard:
            os.close(each)
        os.write(status, f"{pid}\n".encode())
        commands[os.pidfd_open(pid)] = pid, status


def _become(asked: dict[str, Any], standard: list[int]) -> None:
    """Run a command in this process, as ``python -m`` would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, descriptor in enumerate(standard):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    # Settings that Prefect read from the environment when it was imported.
    from prefect.context import refresh_global_settings_context
    from prefect.logging.configuration import setup_logging

    refresh_global_settings_context()
    setup_logging()
    sys.path[0] = asked["folder"]
    sys.argv[1:] = asked["arguments"]
    sys.modules.pop(asked["module"], None)
    runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)


def main() -> None:
    """Import the commands, and fork into them."""
    # Only the commands get Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in COMMANDS:
        importlib.import_module(f"flows.{name}")
    # Otherwise each command would collect all imported objects at its end.
    gc.freeze()
    # A thread of Arrow's allocator, which can handle forks.
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    serve(socket.socket(fileno=int(sys.argv[1])))


if __name__ == "__main__":
    main()
