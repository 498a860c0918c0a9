"""The page of the standard library is what `python -m tests.standard_library` makes, and names all of it."""

import re

from tests.standard_library import PAGE, ROOT, page


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_all_that_is_defined_is_on_it() -> None:
    for file in (ROOT / "asrppl" / "stdlib").glob("*.asr"):
        defined = re.findall(r"^def (\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(defined) == set(re.findall(r"^def (\w+)", page(), re.MULTILINE))
