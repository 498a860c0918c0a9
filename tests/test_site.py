"""The docs site: every page has a place, every code a page, and no link of what is staged is lost."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from asrppl.codes import CODES
from docs.figures import __main__ as figures
from docs.figures.runs import train
from docs.site.__main__ import build, config
from docs.site.api import with_docstrings
from docs.site.docstrings import fenced
from docs.site.links import Links, in_prose
from docs.site.nav import sections
from docs.site.offline import foreign
from docs.site.stage import ROOT, stage


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    stage(folder)
    return folder


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A repository of few pages."""
    for source in (*ROOT.glob("docs/*.md"), *ROOT.glob("examples/gallery/**/README.md")):
        (tmp_path / source.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, tmp_path / source.relative_to(ROOT))
    return tmp_path


def prose_of(page: Path) -> str:
    return re.sub(r"^ *```.*?^ *```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_every_code_has_a_page_and_the_index_leads_to_it(staged: Path) -> None:
    index = (staged / "diagnostics.md").read_text(encoding="utf-8")
    for code, known in CODES.items():
        page = (staged / "diagnostics" / f"{code}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {code}: {known.title}\n")
        assert f"[{code}](diagnostics/{code}.md)" in index
    assert "rule r: n in {1, 3}" in (staged / "diagnostics" / "ASR036.md").read_text(encoding="utf-8")


def test_links_between_staged_pages_lead_to_staged_files(staged: Path) -> None:
    pages = sorted(staged.rglob("*.md"))
    assert len(pages) > len(CODES) + 20
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
            if not target.startswith(("https://", "#")):
                assert (page.parent / target.partition("#")[0]).is_file(), f"{page}: {target}"


def test_links_to_what_the_site_lacks_lead_to_where_the_source_is_hosted(staged: Path) -> None:
    text = prose_of(staged / "editors.md")
    assert "(https://github.com/asrppl/asrppl/tree/main/grammar/vscode)" in text


def test_codes_in_prose_become_links_and_those_in_code_do_not() -> None:
    links = Links(ROOT, {}, frozenset({"ASR036"}))
    text = "See ASR036, `ASR036`, ASR999.\n\n```text\nASR036\n```\n"
    assert links.named(text, "x/y.md") == text.replace("See ASR036", "See [ASR036](../diagnostics/ASR036.md)")
    assert in_prose("a\n```text\na\n```\na", str.upper) == "A\n```text\na\n```\nA"


def test_a_link_that_leads_nowhere_stops_the_build() -> None:
    links = Links(ROOT, {"docs/worlds.md": "worlds.md"}, frozenset())
    assert links.put("[there](worlds.md#a)", "docs/repl.md", "repl.md") == "[there](worlds.md#a)"
    with pytest.raises(ValueError, match=r"docs/repl.md: the link to away.md leads nowhere"):
        links.put("[gone](away.md)", "docs/repl.md", "repl.md")


def test_a_page_without_a_place_stops_the_build(other: Path) -> None:
    (other / "docs" / "new.md").write_text("# New\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"docs/new.md: no section of docs/site/nav.py has it"):
        sections(other)


def test_a_new_entry_of_the_gallery_appears_by_itself_with_its_figure(other: Path) -> None:
    entry = other / "examples" / "gallery" / "tides"
    entry.mkdir()
    (entry / "README.md").write_text("# Tides\n\n![High water](figure.svg)\n", encoding="utf-8")
    (entry / "figure.svg").write_text("<svg/>", encoding="utf-8")
    gallery = sections(other)["Gallery"]
    assert gallery[0].target == "gallery.md"
    (page,) = (page for page in gallery if page.title == "Tides")
    assert page.target == "gallery/tides.md"
    links = Links(other, {}, frozenset())
    put = links.put((other / page.source).read_text(encoding="utf-8"), page.source, page.target)
    assert "![High water](../pictures/examples/gallery/tides/figure.svg)" in put
    assert links.pictures == {"examples/gallery/tides/figure.svg": "pictures/examples/gallery/tides/figure.svg"}


def test_the_navigation_is_that_of_the_pages(staged: Path) -> None:
    nav = yaml.safe_load(config(sections(ROOT)))["nav"]
    targets = [target for section in nav for pages in section.values() for page in pages for target in page.values()]
    assert targets[:2] == ["index.md", "first-rule.md"]
    wanted = {path.relative_to(staged).as_posix() for path in staged.rglob("*.md")}
    assert set(targets) == {target for target in wanted if not target.startswith("diagnostics/")}


def test_the_page_of_names_asks_for_their_docstrings() -> None:
    table = "| name | what |\n| --- | --- |\n| `Program` | a |\n| `Program.only` | b |\n| `__version__` | c |\n"
    page = with_docstrings(table)
    assert "| [`Program.only`](#asrppl.Program.only) | b |" in page
    assert "::: asrppl.Program\n    options:\n      members: [only]\n" in page
    assert page.count(":::") == 1
    names = with_docstrings((ROOT / "docs" / "api.md").read_text(encoding="utf-8"))
    assert "::: asrppl.infer.regularize.regularize\n" in names  # the function, and not the module of that name
    assert "::: asrppl.training.lightning.RulesCallback\n" in names


def test_docstrings_show_their_sessions_in_fences() -> None:
    text = "A sum::\n\n    >>> 1 + 1\n    2\n\nand so::\n\n    a = b\n\n>>> 3\n3\n"
    wanted = "A sum:\n\n```pycon\n>>> 1 + 1\n2\n```\n\nand so:\n\n    a = b\n\n```pycon\n>>> 3\n3\n```\n"
    assert fenced(text) == wanted


@pytest.mark.parametrize(("anchor", "status"), [("here", 0), ("away", 1)])
def test_a_link_to_a_heading_that_is_not_there_stops_the_build(
    anchor: str, status: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "index.md").write_text(f"# One\n\n## Here\n\n[there](index.md#{anchor})\n", encoding="utf-8")
    (tmp_path / "pages" / "site.css").touch()
    told = {"INHERIT": str(ROOT / "docs/site/mkdocs.yml"), "docs_dir": "pages", "site_dir": "html"}
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(told), encoding="utf-8")
    assert build(tmp_path / "mkdocs.yml") == status
    assert ("index.md#away" in capfd.readouterr().err) == bool(status)
    assert status or foreign(tmp_path / "html") == []


@pytest.mark.parametrize(
    ("html", "asked"),
    [
        ('<script src="https://cdn.example/a.js"></script>', ["page.html: https://cdn.example/a.js"]),
        ('<link rel="stylesheet" href="//fonts.example/a">', ["page.html: //fonts.example/a"]),
        ("<style>@import 'https://fonts.example/a'</style>", ["page.html: https://fonts.example/a"]),
        ('<p style="background: url(http://x.example/a.png)">', ["page.html: http://x.example/a.png"]),
        ('<a href="https://elsewhere.example">followed</a><img src="a.png">', []),
        ('<link rel="canonical" href="https://here.example">', []),
    ],
)
def test_what_a_page_would_load_from_another_host_is_found(html: str, asked: list[str], tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    assert foreign(tmp_path) == asked


def test_a_style_that_loads_from_another_host_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("@font-face { src: url('https://fonts.example/a.woff2') }", encoding="utf-8")
    assert foreign(tmp_path) == ["a.css: https://fonts.example/a.woff2"]


def test_the_script_of_the_figures_runs_in_a_short_form(tmp_path: Path) -> None:
    assert figures.main(["--steps", "4", "--weights", "0.1", "1", "--out", str(tmp_path)]) == 0
    drawn = sorted(file.name for file in tmp_path.iterdir())
    assert drawn == ["paths.svg", "shapes.svg", "weights.svg"]
    for name in drawn:
        for file in (tmp_path / name, ROOT / "docs" / "figures" / name):
            assert 5_000 < file.stat().st_size < 60_000


def test_a_figure_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("first.svg", "second.svg"):
        figures.save(figures.shapes(), tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "second.svg").read_bytes()


def test_a_weight_above_the_pull_of_the_data_is_obeyed_and_one_below_it_is_not() -> None:
    """docs/choosing.md: the threshold is 0.2 nats per datum."""
    light, heavy = (train(f"weight {weight}", steps=120) for weight in (0.1, 0.3))
    assert light.effects[-1][0] == pytest.approx(1.2, abs=0.02)
    assert heavy.effects[-1][0] == pytest.approx(1.0, abs=0.02)
