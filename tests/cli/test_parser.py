"""Wrong usage of the command line: what was meant is said."""

import pytest

from asrppl.cli.main import main


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["chek", "a.asr"], "asrppl: error: COMMAND: there is no `chek`; did you mean `check`?\n"),
        (["a.asr"], "asrppl: error: COMMAND: there is no `a.asr`; did you mean `asrppl check a.asr`?\n"),
        (["fmt", "--chekc", "a.asr"], "unrecognized arguments: --chekc\n`--chekc`: did you mean `--check`?\n"),
        # Without a file argparse complains of the file only.
        (["fmt", "--chekc"], "required: FILE\n`--chekc`: did you mean `--check`?\n"),
        (["check", "--formt=json", "a.asr"], "`--formt`: did you mean `--format`?\n"),
        (["--versoin"], "`--versoin`: did you mean `--version`?\n"),
        (
            ["check", "--format", "jsno", "a.asr"],
            "check: error: --format: there is no `jsno`; did you mean `json`?",
        ),
        (["air", "trian"], "asrppl air: error: "),
    ],
)
def test_what_was_meant_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_what_is_near_nothing_gets_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["frobnicate"])
    assert "there is no `frobnicate`; it is one of check, fmt, explain, " in capsys.readouterr().err


def test_the_beginning_of_an_option_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fmt", "--che"])
    assert capsys.readouterr().err.endswith("the following arguments are required: FILE\n")
    with pytest.raises(SystemExit):
        main(["fmt", "--colours", "\x1b[31m"])
    assert "\x1b" not in capsys.readouterr().err
