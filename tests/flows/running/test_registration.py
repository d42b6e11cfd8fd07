import os
import signal

import pytest

from flows.running.registration import registering, run_begins


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_the_run_is_registered(number):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    usual = signal.signal(number, interrupt)
    try:
        with registering():
            os.kill(os.getpid(), number)
            with pytest.raises(KeyboardInterrupt):
                run_begins()
            # A second Ctrl-C is not held back.
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt), registering():
            os.kill(os.getpid(), number)
    finally:
        signal.signal(number, usual)


def test_a_handler_of_another_program_may_pass_a_signal_on():
    passed = []
    usual = signal.signal(signal.SIGTERM, lambda *_: passed.append("usual"))
    try:
        with registering():
            held = signal.signal(signal.SIGTERM, lambda *_: passed.append("other"))
            run_begins()
            os.kill(os.getpid(), signal.SIGTERM)
            # As Prefect does when its own handler has ended the run.
            signal.signal(signal.SIGTERM, held)
            os.kill(os.getpid(), signal.SIGTERM)
        assert passed == ["other", "usual"]
    finally:
        signal.signal(signal.SIGTERM, usual)
