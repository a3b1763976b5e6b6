"""A command ends in order on the first signal, at once on the second; tests/batch/test_faults.py ends whole batches so."""

import contextlib
import os
import signal
import threading

import pytest

from neurorecon.core.signals import Terminated, ending_in_order


@pytest.fixture(autouse=True)
def unchanged():
    """The handlers of this process before a test, which must be there again after it.

    A run in the background of a shell begins with SIGINT ignored: here it counts.
    """
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield before
    after = {number: signal.getsignal(number) for number in before}
    signal.signal(signal.SIGINT, outside)
    assert after == before


class Half:
    """An output that is half written."""

    def __init__(self, cleaned):
        self.close = lambda: cleaned.append(True)


def test_sigterm_ends_with_the_exit_code_of_a_shell_and_lets_cleaning_up_happen():
    cleaned = []
    with pytest.raises(Terminated) as caught, ending_in_order(), contextlib.closing(Half(cleaned)):
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 143
    assert cleaned == [True]


def test_ctrl_c_is_a_keyboard_interrupt():
    with pytest.raises(KeyboardInterrupt), ending_in_order():
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("first", "second"), [("SIGINT", "SIGTERM"), ("SIGTERM", "SIGINT"), ("SIGINT", "SIGINT")])
def test_the_second_signal_ends_the_process_at_once(monkeypatch, first, second):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    with ending_in_order():
        for name in (first, second):
            with pytest.raises((KeyboardInterrupt, Terminated)):
                os.kill(os.getpid(), signal.Signals[name])
    assert codes == [128 + signal.Signals[second]]


def test_an_ignored_signal_stays_ignored_and_the_other_one_ends(unchanged):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ending_in_order():
            os.kill(os.getpid(), signal.SIGINT)
            with pytest.raises(Terminated):
                os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGINT, unchanged[signal.SIGINT])


def test_other_threads_leave_the_signals_alone(unchanged):
    seen = []

    def work():
        with ending_in_order():
            seen.append({number: signal.getsignal(number) for number in unchanged})

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [unchanged]
