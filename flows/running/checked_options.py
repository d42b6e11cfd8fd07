"""The options of a flow's run: checked, and completed from the settings of the site."""

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
from flows.running.signs_of_life import SignsOfLife
from flows.running.terminal import problems_of
from flows.settings import ServiceOptions, complete
from shift_stac.errors import ShiftError, WrongOptionsError


def with_options[Options: BaseModel, Result](
    kind: type[Options],
) -> Callable[[Callable[[Options], State[Result]]], Callable[[Options], State[Result]]]:
    """Give the function of a flow whole options, and let expected errors end its run in a sentence.

    The flow is to be made with ``validate_parameters=False``: what Prefect refuses by itself has neither
    a name nor a message for people.
    """

    def make(
        function: Callable[[Options], State[Result]],
    ) -> Callable[[Options], State[Result]]:
        @wraps(function)
        def checked(options: Options) -> State[Result]:
            try:
                whole = _whole(kind, options)
                patience = _whole(ServiceOptions, {}).server_patience
                # Tags are the run's. Of a task that has one, the server is asked whether a limit is set
                # for it, and a line waits for the answer, seconds of a server that has just begun.
                with SignsOfLife(flow_run.id, patience), TagsContext(current_tags=set()):
                    return function(whole)
            except ShiftError as error:
                ended: State[Any] = Failed(message=str(error), data=error)
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
