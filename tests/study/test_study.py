"""The user study: who sees what, how ratings are stored while many rate at once, and what comes of them."""

import csv
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from fresh_process import FreshProcess

from adaat_hf import VideoWriter
from adaat_hf.cli import main
from adaat_hf.study import Rating, RatingStore, StudyError, read_study
from adaat_hf.study.report import method_means


METHODS, CASES = ("adaat", "film", "theirs"), ("a", "b", "c", "d")


@pytest.fixture
def folder(tmp_path):
    """Three methods, four cases; pictures, the quickest to make."""
    for method in METHODS:
        (tmp_path / "clips" / method).mkdir(parents=True)
        for number, case in enumerate(CASES):
            picture = np.full((40, 40, 3), 20 * number, np.uint8)
            PIL.Image.fromarray(picture).save(tmp_path / "clips" / method / f"{case}.png")
    return tmp_path / "clips"


@pytest.fixture
def clips(folder):
    return read_study(folder)


def test_every_rater_sees_everything_in_an_order_of_their_own(clips):
    orders = [clips.order(f"rater {number}") for number in range(20)]
    assert all(sorted(order) == sorted((m, c) for m in METHODS for c in CASES) for order in orders)
    assert orders[0] == clips.order("rater 0") and len({tuple(order) for order in orders}) == 20
    firsts = [order[0][0] for order in orders]
    assert set(firsts) == set(METHODS), "no method always comes first"


def test_fewer_cases_are_shown_by_all_methods(clips):
    for number in range(10):
        order = clips.order(str(number), 2)
        cases = {case for _, case in order}
        assert len(cases) == 2 and sorted(order) == sorted((method, case) for method in METHODS for case in cases)


def test_served_files_do_not_tell_the_method(clips, tmp_path):
    from adaat_hf.study.page import blind_copies

    (tmp_path / "served").mkdir()
    copies = blind_copies(clips, tmp_path / "served")
    again = tmp_path / "again"
    again.mkdir()
    names = [path.name for path in copies.values()]
    assert len(set(names)) == 12 and not any(word in name for name in names for word in METHODS)
    assert names != [path.name for path in blind_copies(clips, again).values()], "nor can they be learned"
    assert copies["film", "b"].read_bytes() == clips.files["film", "b"].read_bytes()


def test_incomplete_studies_are_refused(folder, tmp_path):
    (folder / "theirs" / "c.png").unlink()
    with pytest.raises(StudyError, match="method 'theirs' lacks 1 of 4 cases: c"):
        read_study(folder)
    for path in folder.glob("[ft]*/*"):
        path.unlink()
    with pytest.raises(StudyError, match="clips of 1 methods"):
        read_study(folder)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_study(tmp_path / "nowhere")


def test_many_raters_at_once_lose_nothing(clips, tmp_path):
    """Threads of this process and four other processes write to one file."""
    path = tmp_path / "ratings.sqlite"
    store = RatingStore(path, clips.fingerprint)
    program = (
        "import sys; from adaat_hf.study.store import Rating, RatingStore\n"
        "store = RatingStore(sys.argv[1], sys.argv[3])\n"
        "for n in range(40): store.rate(Rating(sys.argv[2], 'adaat', str(n), n % 5 + 1))"
    )
    others = [FreshProcess(["-c", program, path, f"process {number}", clips.fingerprint]) for number in range(4)]

    def rate(rater):
        for method, case in clips.order(rater):
            store.rate(Rating(rater, method, case, 1 + hash((rater, method, case)) % 5))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(rate, [f"thread {number}" for number in range(32)]))
    assert [process.finish(120).returncode for process in others] == [0] * 4
    ratings = store.ratings()
    assert len(ratings) == 32 * 12 + 4 * 40
    assert {r.score for r in ratings if r.rater == "process 2" and r.case == "7"} == {3}
    assert store.rated("thread 5") == set(clips.order("thread 5"))


def test_a_second_opinion_replaces_the_first(clips, tmp_path):
    store = RatingStore(tmp_path / "ratings.sqlite", clips.fingerprint)
    for score in (2, 5):
        store.rate(Rating("me", "film", "a", score))
    assert store.ratings() == [Rating("me", "film", "a", 5)]
    with pytest.raises(StudyError, match="rating is 6, expected 1 to 5"):
        store.rate(Rating("me", "film", "b", 6))


def test_files_of_other_studies_are_refused(clips, folder, tmp_path):
    path = tmp_path / "ratings.sqlite"
    RatingStore(path, clips.fingerprint).rate(Rating("me", "film", "a", 4))
    PIL.Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / "film" / "c.png")
    with pytest.raises(StudyError, match="ratings of other clips"):
        RatingStore(path, read_study(folder).fingerprint)
    assert len(RatingStore(path).ratings()) == 1, "it can still be read"
    (tmp_path / "text.sqlite").write_text("this is no data base, but a text of some length" * 20)
    with pytest.raises(StudyError, match=r"text\.sqlite' is no file of ratings"):
        RatingStore(tmp_path / "text.sqlite")
    with sqlite3.connect(path) as file:
        file.execute("UPDATE ratings SET score = 3")


def test_means_and_intervals():
    ratings = [Rating(str(n), "film", case, 5) for n in range(6) for case in "ab"]
    ratings += [Rating(str(n), "adaat", "a", 1 + n % 3) for n in range(6)]
    means = method_means(ratings)
    assert list(means) == ["film", "adaat"] and means["film"].value == 5 == means["film"].low
    assert means["adaat"].value == 2 and 1 <= means["adaat"].low < 2 < means["adaat"].high <= 3
    assert method_means(ratings[:1])["film"].low is None, "one rater has no interval"


def test_the_command_reports(clips, tmp_path, capsys):
    path = tmp_path / "ratings.sqlite"
    store = RatingStore(path, clips.fingerprint)
    for rater in ("x", "y"):
        for method, score in (("film", 5), ("adaat", 3)):
            store.rate(Rating(rater, method, "a", score))
    assert main(["study", "--report", "--ratings", str(path), "--csv", str(tmp_path / "all.csv")]) == 0
    shown = capsys.readouterr().out
    assert "| film   | 5.00 [5.00, 5.00]" in shown and "| adaat  | 3.00 [3.00, 3.00]" in shown
    assert len(list(csv.DictReader((tmp_path / "all.csv").open()))) == 4
    for words in (
        ["--ratings", str(path)],
        ["--report", "--ratings", str(tmp_path / "none.sqlite")],
        [str(tmp_path), "--report", "--ratings", str(path)],
    ):
        assert main(["study", *words]) == 1


@pytest.fixture
def served(tmp_path):
    """A study of two methods and two short videos, on loopback."""
    from adaat_hf.study.page import build_study

    for method, value in (("film", 60), ("adaat", 180)):
        (tmp_path / "clips" / method).mkdir(parents=True)
        for case in "ab":
            with VideoWriter(tmp_path / "clips" / method / f"{case}.mp4", 10, 64, 64) as writer:
                for number in range(8):
                    writer.write(np.full((64, 64, 3), value + 5 * number, np.uint8))
    clips = read_study(tmp_path / "clips")
    store = RatingStore(tmp_path / "ratings.sqlite", clips.fingerprint)
    folder = tmp_path / "served"
    folder.mkdir()
    app = build_study(clips, store, folder)
    _, address, _ = app.launch(allowed_paths=[str(folder)], prevent_thread_lock=True, quiet=True, ssr_mode=False)
    yield address, store
    app.close()


@pytest.mark.slow
def test_in_a_browser(served):
    """Rate everything; the page never says what a clip is; a new visit goes on where the last one ended."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("needs Chromium, such as Debian's package chromium")
    address, store = served
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(viewport={"width": 1000, "height": 900})
        page = context.new_page()
        traffic = []
        page.on("response", lambda response: traffic.append(response.url))
        page.goto(address)
        page.get_by_role("button", name="Begin").click()
        page.get_by_role("button", name="Next").click()
        page.get_by_text("Choose a rating from 1 to 5 first.").wait_for()
        for number in range(4):
            page.get_by_text(f"{number} of 4 rated").wait_for()
            page.wait_for_function(
                "document.querySelector('video') && document.querySelector('video').readyState >= 2"
            )
            content = page.content()
            assert "film" not in content and "adaat/" not in content
            if number == 2:
                if folder := os.environ.get("ADAAT_SCREENSHOTS"):
                    page.screenshot(path=str(Path(folder) / "study.png"))
                page.reload()
                page.get_by_role("button", name="Begin").click()
                page.get_by_text("2 of 4 rated").wait_for()
            page.get_by_label(str(number + 1), exact=number in (1, 2, 3)).first.click()
            page.get_by_role("button", name="Next").click()
        page.get_by_text("You have rated all clips.").wait_for()
        browser.close()
    ratings = store.ratings()
    assert sorted(rating.score for rating in ratings) == [1, 2, 3, 4] and len({r.rater for r in ratings}) == 1
    assert {(r.method, r.case) for r in ratings} == {(m, c) for m in ("film", "adaat") for c in "ab"}
    assert not any("film" in url or "adaat" in url.lower() for url in traffic if "file=" in url)
