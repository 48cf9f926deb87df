"""The opt-out report of results made up here: what it says, and that it says the same everywhere."""

import csv
import html
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from fedsift.core.errors import BadInput
from fedsift.studies.report import write_report
from fedsift.studies.report.table import Column, Interval, Table
from fedsift.studies.report.tables import all_tables
from tests.studies.report.results import NASTY, one_refused, outcome_of, played, three_of_a_hundred

WHO = ("An outsider sees", "A stayer sees", "The server was sent")


def written(folder: Path, told: dict[str, Any]) -> str:
    """The page of a result."""
    folder.mkdir(exist_ok=True)
    (folder / "result.json").write_text(json.dumps(told), encoding="utf-8")
    return write_report(folder)[0].read_text(encoding="utf-8")


class _Reader(HTMLParser):
    """The words of a page's body in order, and all elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._in_body = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_body |= tag == "body"

    def handle_data(self, data: str) -> None:
        if self._in_body and data.strip():
            self.words.append(" ".join(data.split()))


def test_refused_is_told_first_and_not_as_done(tmp_path: Path) -> None:
    page = written(tmp_path, one_refused())
    words = _Reader(page).words
    still_in = "1 client that asked to leave is still part of the server's state:"
    assert words[:2] == ["Incomplete: 1 removal was refused.", still_in]
    assert words[2].startswith("person-0099: its rerun differs from what was merged")
    assert "<title>Incomplete: They leave</title>" in page
    assert (
        "2 of 100 clients left. The server is byte for byte the run without them. 60 optimiser steps, 20 of them"
        in page
    )
    assert "1 refused rerun is among the trainings of SIFT-Masks" in page
    assert not re.search(r"\b(done|proven|complete|success)", page.partition("<body>")[2])


def test_not_proven_is_told_first_and_worse(tmp_path: Path) -> None:
    words = _Reader(written(tmp_path, three_of_a_hundred(differing=2))).words
    assert words[0].startswith("Not proven: ")
    assert words[1].startswith("After step 2 the state differs from the oracle's")
    assert any("The server is not shown to be byte for byte the run without them." in text for text in words)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with all sections."""
    folder = tmp_path_factory.mktemp("attacked")
    written(folder, three_of_a_hundred(attacks=True))
    return folder


def test_attacks_in_words(attacked: Path) -> None:
    page = html.unescape((attacked / "report.html").read_text(encoding="utf-8"))
    assert (
        "An outsider sees the published model. On the model published after the removals, every attack finds what it "
        "finds in the run that the leavers never joined, to the last digit. On the model published before the "
        "removals, what they find differs from that by up to +0.422 (+0.372 to +0.462) in the AUC of LiRA, online, "
        "0.934 against 0.512. Canaries planted in the leavers' rows were exposed by 9.5 bits in the model published "
        "before the removals, by 1.2 bits in the model published after the removals, and by 1.2 bits in the run that "
        "the leavers never joined."
    ) in page
    assert "of one who leaves alone 100.0% of the contribution comes back. " in page
    assert "On the difference of the two models, what attacks find differs from" in page
    assert "On the uploads, what they find differs from that by up to -0.472 (-0.522 to -0.432) in" in page
    assert "this gave back 100.0% of the leaver's contribution (recovered bit for bit)" in page
    assert "not recovered" in page


def test_no_figure_of_the_table_is_worse_than_the_headline(attacked: Path) -> None:
    page = _Reader((attacked / "report.html").read_text(encoding="utf-8"))
    sentences = [next(text for text in page.words if text.startswith(who)) for who in WHO]
    said = [abs(float(by)) for text in sentences for by in re.findall(r"up to ([+-][0-9.]+) \(", text)]
    # Before, as nothing that is served differs now; what a stayer subtracts does, both now and before.
    assert said == [0.422, 0.463, 0.278, 0.472]
    found = []
    for name in ("membership", "memory"):
        with (attacked / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            found += [row for row in csv.DictReader(file) if row["method"].startswith("SIFT-Masks")]
    assert {row["metric"] for row in found} >= {"loss threshold", "extraction strength"}
    assert max(abs(float(row["before_difference"])) for row in found) <= max(said) + 5e-4
    served = [row for row in found if "less" not in row["method"]]
    assert {float(row["after_difference"]) for row in served} == {0.0}


def test_what_an_inexact_removal_leaves_is_in_the_headline(tmp_path: Path) -> None:
    told = three_of_a_hundred(attacks=True)
    told["attacks"]["membership"][3] |= {"method": "SIFT-Masks"} | {
        key: told["attacks"]["membership"][2][key] for key in ("after", "difference", "equals_oracle")
    }
    assert (
        "On the model published after the removals, what attacks find differs from the run that the leavers never "
        "joined by up to +0.143 (+0.093 to +0.183) in the AUC of LiRA, online, 0.655 against 0.512. On the model"
    ) in written(tmp_path, told)


def test_what_is_remembered_can_be_the_worst(tmp_path: Path) -> None:
    told = three_of_a_hundred(attacks=True)
    told["attacks"]["memory"][0]["difference"]["before"]["mean"] = [0.75, 0.7, 0.8]
    assert (
        "differs from that by up to +0.750 (+0.700 to +0.800) in the mean of extraction strength, 0.500 against 0.250"
    ) in written(tmp_path, told)


def test_page_stands_alone(attacked: Path) -> None:
    page = (attacked / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://", page)
    reader = _Reader(page)
    assert not {tag for tag, _ in reader.elements} & {"script", "link", "img", "iframe", "object", "base", "image"}
    loaded = [value for _, attributes in reader.elements for key in ("href", "src") if (value := attributes.get(key))]
    assert loaded
    assert all(value.startswith("#") for value in loaded)
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {value[1:] for value in loaded} <= set(ids)
    assert all(used in ids for used in re.findall(r"url\(#([^)]*)\)", page))
    # matplotlib's colours are all replaced: the page has them as variables, in its style.
    assert not re.search(r"#[0-9a-f]{6}", page.partition("<body>")[2])


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("timeline", "97 after step 2"),
        ("scores", "members 0.988 at first, 0.987 at the end"),
        ("costs", "SIFT-Masks, SIFT + Merge, FT + Merge 3; TIES, TALL-masks, EMR-merging, Central FT 196;"),
        ("storage", "SIFT-Masks 826.8 kB"),
        ("attacks", "LiRA, online on SIFT-Masks: before 0.934 (0.904 to 0.954), after 0.512"),
    ],
)
def test_figures_have_alternatives_with_their_numbers(attacked: Path, name: str, number: str) -> None:
    root = ElementTree.parse(attacked / "figures" / f"{name}.svg").getroot()
    named = {element.get("id"): "".join(element.itertext()) for element in root.iter() if element.get("id")}
    assert root.get("role") == "img"
    title, text = (named[each] for each in str(root.get("aria-labelledby")).split())
    assert title
    assert number in text
    page = _Reader((attacked / "report.html").read_text(encoding="utf-8"))
    forms = [attributes for tag, attributes in page.elements if tag == "svg" and f"{name}-" in str(attributes)]
    assert [form["class"] for form in forms] == ["wide", "narrow"]
    assert all(form["role"] == "img" for form in forms)
    assert sum(number in words for words in page.words) >= len(forms)
    assert (attacked / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_csv_has_the_values_of_the_result(attacked: Path) -> None:
    told = json.loads((attacked / "result.json").read_text(encoding="utf-8"))

    def rows(name: str) -> list[dict[str, str]]:
        with (attacked / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    assert [float(row["members"]) for row in rows("scores")] == [step["scores"]["members"] for step in told["steps"]]
    assert [row["leavers"] for row in rows("scores")] == ["", "0.108", "0.108"]
    assert [int(row["Central FT"]) for row in rows("costs")] == [0, 99, 196]
    assert {row["method"]: int(row["bytes"]) for row in rows("storage")} == told["storage_bytes"]
    assert [row["client"] for row in rows("removals")] == ["person-0007", "person-0042", "person-0099"]
    assert [row["state_digest"] for row in rows("steps")] == [step["state_digest"] for step in told["steps"]]
    found = {(row["metric"], row["method"], row["figure"]): row for row in rows("membership")}
    assert len(found) == (3 * 3 + 2) * 3
    for row in told["attacks"]["membership"]:
        auc = found[row["title"], row["method"], "AUC"]
        for state in ("oracle", "before", "after"):
            assert float(auc[state]) == row[state]["auc"]
            assert [float(auc[f"{state}_low"]), float(auc[f"{state}_high"])] == row[state]["auc_interval"]
        assert float(auc["before_difference"]) == row["difference"]["before"]["auc"][0]
        assert float(auc["before_difference_high"]) == row["difference"]["before"]["auc"][2]
        rate = found[row["title"], row["method"], "TPR at FPR 0.1%"]
        assert float(rate["after"]) == row["after"]["tpr_at_0.001"]
        assert auc["equals_oracle"] == str(row["equals_oracle"])
    assert {row["key"]: row["value"] for row in rows("configuration")}["prompt"] == "Q: {q}\nA:"


def test_the_same_result_gives_the_same_bytes(attacked: Path, tmp_path: Path) -> None:
    (tmp_path / "result.json").write_bytes((attacked / "result.json").read_bytes())
    for file in write_report(tmp_path):
        assert file.read_bytes() == (attacked / file.relative_to(tmp_path)).read_bytes(), file


def test_sections_without_data_are_left_out(tmp_path: Path) -> None:
    told = three_of_a_hundred()
    told["costs"], told["storage_bytes"], told["on_clock"] = {}, {}, {}
    for step in told["steps"]:
        step["scores"] = None
    page = written(tmp_path, told)
    ids = {attributes.get("id") for tag, attributes in _Reader(page).elements if tag == "section"}
    assert ids == {"timeline", "removals", "run", "scenario"}
    assert [file.name for file in (tmp_path / "figures").iterdir() if file.suffix == ".svg"] == ["timeline.svg"]


def test_a_merge_alone(tmp_path: Path) -> None:
    page = written(tmp_path, played(5, []))
    assert "None of 5 clients left. Nothing was subtracted: the server still holds all 5." in page
    assert 'id="timeline"' in page
    assert not (tmp_path / "figures" / "timeline.svg").exists()


def test_what_users_write_is_escaped(tmp_path: Path) -> None:
    told = played(9, [[NASTY], ["b\ud800\x01"]], {1: {NASTY: NASTY}}, title=NASTY, attacks=True)
    told["costs"][NASTY] = [9, 10, 14]
    told["attacks"]["membership"][0]["title"] = NASTY
    told["config"]["prompt"] = NASTY
    reader = _Reader(written(tmp_path, told))
    assert "script" not in {tag for tag, _ in reader.elements}
    assert {r"b\ud800\x01", NASTY} <= set(reader.words)
    for name in ("costs", "attacks"):
        svg = "".join(ElementTree.parse(tmp_path / "figures" / f"{name}.svg").getroot().itertext())
        assert "<script>" in svg
    tex = (tmp_path / "tables" / "removals.tex").read_text(encoding="utf-8")
    assert (
        r"\textless{}script\textgreater{}alert(\textquotesingle{}\$x\$\textquotesingle{})\textless{}/script\textgreater{}"
        r" \& \textbackslash{}textbf\{x\} 100\% a\_b\#c {[}1{]} \textasciitilde{}\textasciicircum{} & 1 & REFUSED"
    ) in tex


def test_five_hundred_steps_stay_small(tmp_path: Path) -> None:
    page = written(tmp_path, played(501, [[f"person-{number:04d}"] for number in range(500)], attacks=True))
    assert len(page.encode()) < 3_000_000
    assert "<details" not in page  # what is folded is not printed
    assert page.count("<tr>") > 500 * len(("events", "steps", "scores", "costs", "removals"))


def test_every_table_is_written_twice(attacked: Path) -> None:
    names = set(all_tables(outcome_of(json.loads((attacked / "result.json").read_text(encoding="utf-8")))))
    assert {file.stem for file in (attacked / "tables").iterdir()} == names
    for name in names:
        tex = (attacked / "tables" / f"{name}.tex").read_text(encoding="utf-8")
        assert [tex.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]


def test_a_table_as_csv_and_latex() -> None:
    columns = (Column("a-b", "a_b"), Column("auc", "AUC", "interval"), Column("change", "change", "change"))
    rows: list[tuple[Any, ...]] = [("[x] -1", Interval(0.5, 0.25, 0.75), -0.0125), ("*", None, None)]
    table = Table("name", "title", columns, rows)
    assert table.to_csv() == "a-b,auc,auc_low,auc_high,change\n[x] -1,0.5,0.25,0.75,-0.0125\n*,,,,\n"
    assert table.to_latex().splitlines()[1:] == [
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"a\_b & AUC & change \\",
        r"\midrule",
        r"{[}x{]} -{}1 & 0.500 (0.250 to 0.750) & $-$0.013 \\",
        r"{*} & -{} & -{} \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert r"\begin{longtable}{lrr}" in Table("name", "title", columns, rows * 21).to_latex()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no result.json; give the folder that `fedsift optout` wrote"),
        ("{", "it is no JSON"),
        ("[]", "is damaged, or of another version, at result: "),
        ('{"clients": 3}', "is damaged, or of another version, at result (it lacks attacks): bring back a copy"),
    ],
)
def test_what_is_no_result_is_bad_input(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "result.json").write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match=re.escape(message)):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_without_matplotlib(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps(three_of_a_hundred()), encoding="utf-8")
    code = """
import sys; sys.modules["matplotlib"] = None
from pathlib import Path; from fedsift.core.errors import BadInput; from fedsift.studies.report import write_report
try: write_report(Path(sys.argv[1]))
except BadInput as error: print(error)
"""
    ran = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert ran.stdout == "a figure needs matplotlib: pip install 'fedsift[plots]'\n"
    assert not (tmp_path / "report.html").exists()


@pytest.mark.skipif(not (shutil.which("chromium") and shutil.which("pdftotext")), reason="no browser, or no pdftotext")
def test_print_has_every_row(tmp_path: Path) -> None:
    written(tmp_path, played(61, [[f"person-{number:04d}"] for number in range(60)], attacks=True))
    printing = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    pdf = tmp_path / "report.pdf"
    subprocess.run(
        [*printing, f"--print-to-pdf={pdf}", f"--user-data-dir={tmp_path / 'browser'}", tmp_path / "report.html"],
        check=True,
        capture_output=True,
        timeout=120,
    )
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], check=True, capture_output=True, text=True).stdout
    assert all(text.count(f"person-{number:04d}") >= 2 for number in range(60))  # events and removals
    assert "negated task vector" in text
