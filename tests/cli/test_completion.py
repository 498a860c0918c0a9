"""`asrppl --print-completion`."""

import subprocess
import sys
from pathlib import Path

import pytest

from asrppl.cli.completion import SHELLS
from asrppl.cli.main import main


def script(shell: str, out: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(["--print-completion", shell])
    assert not stopped.value.code
    return out.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script_with_commands_and_options(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    written = script(shell, capsys)
    for word in ("check", "explain", "strict", "sarif", "train"):
        assert word in written


def test_bash_completes_commands_options_choices_and_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "completion.sh").write_text(script("bash", capsys))
    (tmp_path / "overlap.asr").write_text("x <= 1\n")

    def complete(*words: str) -> list[str]:
        """What bash offers for the last of the words."""
        typed = " ".join(f"'{word}'" for word in words)
        code = (
            f"source ./completion.sh; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; "
            f"$(complete -p asrppl | sed 's/.*-F \\([^ ]*\\).*/\\1/') asrppl '{words[-1]}' '{words[-2]}'; "
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        done = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        return done.stdout.split()

    assert complete("asrppl", "ch") == ["check"]
    assert complete("asrppl", "check", "--st") == ["--strict"]
    assert complete("asrppl", "check", "--format", "sa") == ["sarif"]
    assert complete("asrppl", "check", "over") == ["overlap.asr"]
    assert complete("asrppl", "air", "tr") == ["train"]


def test_without_the_package_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    with pytest.raises(SystemExit) as stopped:
        main(["--print-completion", "bash"])
    assert stopped.value.code == 1
    assert capsys.readouterr().err == ("asrppl: completion needs the package shtab: pip install 'asrppl[completion]'\n")


def test_a_shell_that_is_not_known_gets_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--print-completion", "bsh"])
    assert "--print-completion: there is no `bsh`; did you mean `bash`" in capsys.readouterr().err
