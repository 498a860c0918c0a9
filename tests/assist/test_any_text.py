"""Whatever is written, asking about any place of it ends in an answer."""

import contextlib
from pathlib import Path
from random import Random

import pytest

from asrppl.assist.analysis import Analysis, analyse
from asrppl.assist.complete import complete
from asrppl.assist.describe import describe
from asrppl.assist.rename import RenameError, renamable, rename
from asrppl.files import Kept
from asrppl.source import Source
from tests.syntax.test_what_people_write import cases

HERE = Path(__file__).parents[1]
TEXTS = [case.written for path in sorted((HERE / "syntax").glob("what_people_write*.txt")) for case in cases(path)]
TEXTS += [path.read_text(encoding="utf-8-sig") for path in sorted(HERE.parent.glob("examples/*/**/*.asr"))]


def again(text: str) -> Analysis:
    return analyse(Source("f.asr", text), library=Kept({"f.asr": text}))


@pytest.mark.parametrize("block", range(3))
def test_every_place_of_every_text_is_answered(block: int) -> None:
    random = Random(block)
    asked = 0
    for whole in random.sample(TEXTS, 60):
        text = whole[: random.randrange(len(whole) + 1)] if block else whole
        library, analysis = Kept({"f.asr": text}), again(text)
        spans = [found.span for found in analysis.occurrences]
        assert spans == sorted(spans, key=lambda span: span.start)
        assert all(
            found.span.text == found.symbol.name or found.symbol.kind == "file" for found in analysis.occurrences
        )
        for offset in (len(text), *(random.randrange(len(text) + 1) for _ in range(3))):
            found = describe(analysis, offset)
            assert found is None or found.lines
            assert all(item.text for item in complete(analysis, offset, good=analysis, library=library))
            asked += 1
            with contextlib.suppress(RenameError):
                symbol = renamable(analysis, offset).symbol
                name = random.choice(["weight", "i", "box", "sum", "other"])
                rename({"f.asr": analysis}, symbol, name, lambda texts: {"f.asr": again(texts["f.asr"])})
    assert asked == 240
