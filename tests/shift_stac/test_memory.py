import weakref

from shift_stac import memory


class Ring:
    def __init__(self) -> None:
        self.itself = self


def test_what_refers_to_itself_is_freed_but_not_at_every_call(monkeypatch):
    freed = []
    for passed in (memory._SECONDS_BETWEEN + 1, 0):
        now = memory._settled + passed
        monkeypatch.setattr(memory.time, "monotonic", lambda now=now: now)
        ring = weakref.ref(Ring())
        memory.settle_memory()
        freed.append(ring() is None)
    assert freed == [True, False]
