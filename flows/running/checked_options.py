"""The options of a flow's run: checked, and completed from the settings of the site."""

import errno
from collections.abc import Callable
from functools import wraps
from typing import Any

from prefect.client.schemas.objects import State
from prefect.context import TagsContext
from prefect.runtime import flow_run
from prefect.states import Failed
from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from flows.running.plain_failures import WRONG_OPTIONS
from flows.running.registration import run_begins
from flows.running.signs_of_life import SignsOfLife
from flows.running.task_links import keep_newest_links
from flows.running.terminal import problems_of
from flows.settings import ServiceOptions, complete
from shift_stac.errors import ShiftError, WorkFolderError, WrongOptionsError

# A folder that cannot be made or written, or a full disk.
_OF_A_FOLDER = {
    *(errno.EACCES, errno.EDQUOT, errno.EEXIST, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOSPC),
    *(errno.ENOTDIR, errno.EPERM, errno.EROFS),
}


def with_options[Options: BaseModel, Result](
    kind: type[Options],
) -> Callable[[Callable[[Options], State[Result]]], Callable[[Options], State[Result]]]:
    """Complete the options of a flow's function, and end its run with one sentence after an expected error.

    Make the flow with ``validate_parameters=False``: a run whose options Prefect itself refuses has
    no name, and a message that people cannot read.
    """

    def make(
        function: Callable[[Options], State[Result]],
    ) -> Callable[[Options], State[Result]]:
        @wraps(function)
        def checked(options: Options) -> State[Result]:
            run_begins()
            keep_newest_links()
            expected: ShiftError
            try:
                whole = _whole(kind, options)
                patience = _whole(ServiceOptions, {}).server_patience
                # Tags belong to the run only. For each task with a tag, Prefect asks the server for
                # a limit, and a line waits for the answer: seconds, with a server that has just
                # started.
                with SignsOfLife(flow_run.id, patience), TagsContext(current_tags=set()):
                    return function(whole)
            except ShiftError as error:
                expected = error
            except OSError as error:
                if error.errno not in _OF_A_FOLDER:
                    raise
                place = error.filename or getattr(options, "work_dir", "the working folder")
                expected = WorkFolderError(f"cannot write {place}: {error.strerror}")
            ended: State[Any] = Failed(message=str(expected), data=expected)
            return ended

        return checked

    return make


def _whole[Options: BaseModel](kind: type[Options], options: Any) -> Options:
    try:
        return complete(kind.model_validate(options))
    except (ValidationError, SettingsError, OSError) as error:
        told = "; ".join(
            f"{'.'.join(place)}: {reason}" if place else reason
            for place, reason in problems_of(error)
        )
        raise WrongOptionsError(WRONG_OPTIONS + told) from error
