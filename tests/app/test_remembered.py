"""A remembering engine answers as its engine does, and asks it nothing twice."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stream_mer.app.remembered import Answers


@dataclass
class Adder:
    """Sum and largest value of every row; counts the rows it was asked."""

    sha256: str = "a"
    name: str = "adder"
    backend: str = "test"
    asked: list[int] = field(default_factory=list)
    closed: bool = False

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        self.asked.append(len(batch))
        return batch.sum(1).astype(np.float32), batch.max(1, initial=0)[:, None]

    def close(self) -> None:
        self.closed = True


@given(st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3), max_size=30), st.integers(1, 7))
def test_answers_are_the_engines_and_nothing_is_asked_twice(rows: list[list[int]], size: int) -> None:
    engine, table = Adder(), np.array(rows, np.uint8).reshape(-1, 3)
    remembering = Answers().of(engine)
    for start in range(0, len(table), size):
        batch = table[start : start + size]
        for one, two in zip(remembering.run(batch), Adder().run(batch), strict=True):
            np.testing.assert_array_equal(one, two)
            assert (one.dtype, one.shape) == (two.dtype, two.shape)
    distinct = {row.tobytes() for row in table}
    asked = sum(engine.asked)
    assert len(distinct) <= asked <= len(table)
    before = list(engine.asked)
    if len(table):
        remembering.run(table)
    assert engine.asked == before


def test_another_network_is_asked_itself_and_an_empty_batch_is_its_business() -> None:
    answers, batch = Answers(), np.ones((2, 3), np.uint8)
    one, two = Adder("a"), Adder("b")
    answers.of(one).run(batch)
    answers.of(two).run(batch)
    assert (one.asked, two.asked, len(answers)) == ([2], [2], 2)
    sums, most = answers.of(one).run(batch[:0])
    assert (sums.shape, most.shape) == ((0,), (0, 1))


def test_closing_closes_the_engine() -> None:
    engine = Adder()
    remembering = Answers().of(engine)
    remembering.close()
    assert engine.closed
    assert (remembering.name, remembering.sha256, remembering.backend) == ("adder", "a", "test")
