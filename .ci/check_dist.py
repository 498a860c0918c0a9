"""Used by .ci/run on what was built: the sdist has every tracked file, the wheel the packages and nothing else."""

import configparser
import pathlib
import subprocess
import sys
import tarfile
import zipfile

LEFT_OUT = {".gitignore"}  # what git alone reads

folder = pathlib.Path(sys.argv[1])
(sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
with tarfile.open(sdist) as archive:
    shipped = {name.partition("/")[2] for name in archive.getnames()}
tracked = set(subprocess.run(["git", "ls-files"], check=True, capture_output=True, text=True).stdout.splitlines())
missing = sorted(tracked - shipped - LEFT_OUT)
assert not missing, f"not in the sdist: {', '.join(missing)}"

with zipfile.ZipFile(wheel) as archive:
    names = archive.namelist()
tops = {name.partition("/")[0] for name in names}
assert {top for top in tops if not top.endswith(".dist-info")} == {"asrppl", "asrppl_air"}, tops
for wanted in ("asrppl/grammar/asr.lark", "asrppl/py.typed", "asrppl/stdlib/", "asrppl_air/rule_files/number.asr"):
    assert any(name.startswith(wanted) for name in names), wanted
(entries,) = (name for name in names if name.endswith("/entry_points.txt"))
with zipfile.ZipFile(wheel) as archive:
    text = archive.read(entries).decode()
commands = configparser.ConfigParser()
commands.read_string(text)
assert set(commands["asrppl.commands"]) == {"air", "demo"}, text
print(f"{len(shipped)} files in the sdist, {len(names)} in the wheel")
