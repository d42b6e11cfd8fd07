"""Returns the memory of finished work to the system, so that a long run needs no more than a short one."""

import ctypes
import gc
import threading
import time

# Looking through all objects takes half a second, in which the other threads wait.
_SECONDS_BETWEEN = 30.0

# Only glibc has it.
_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
_lock = threading.Lock()
_settled = time.monotonic()


def settle_memory() -> None:
    """Free what nothing refers to any more, and return free pages to the system; at intervals.

    Call it after a piece of work. Pictures, stores and task runs refer to themselves, so that only the
    garbage collector frees them: by itself it waits for a quarter more objects. And glibc keeps
    the pages between the pieces that are still in use, in an arena for each few threads.
    """
    global _settled  # noqa: PLW0603 - memory belongs to the process
    with _lock:
        if time.monotonic() - _settled < _SECONDS_BETWEEN:
            return
        _settled = time.monotonic()
    gc.collect()
    if _malloc_trim is not None:
        _malloc_trim(0)
