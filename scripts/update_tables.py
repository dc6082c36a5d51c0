# /// script
# requires-python = ">=3.11"
# dependencies = ["adaat-hf[evaluate]"]
# ///
"""Put measured results into the tables of README.md, of the documentation and of the bundled cards, and keep them in docs/results.

    python scripts/update_tables.py persons=runs/heldout/persons/results.json talking=runs/heldout/talking/results.json
    python scripts/update_tables.py --check   # do the tables show what docs/results holds?

A table stands between `<!-- results: NAME measure measure ... -->` and `<!-- end -->`; without measures it has all of them, with
intervals. `settings` in place of measures lists how it was measured. `<!-- results: table1 NAME ... -->` is the paper's table with
measured rows; `table2` likewise.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

from huggingface_hub import ModelCard

from adaat_hf.atomic import write_text
from adaat_hf.evaluation.paper_tables import evaluation_results, table_1, table_2
from adaat_hf.evaluation.results import Results, read_results
from adaat_hf.hub.cards import card_text


ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "results"
BUNDLED = ROOT / "src" / "adaat_hf" / "bundled"
# Results and task of the bundled checkpoints' cards; there the method is called "bundled".
CARDS = {
    BUNDLED / "face" / "README.md": (("reconstruction", "cross-identity", "talking"), "image-to-video"),
    BUNDLED / "person" / "README.md": (("persons",), "image-to-image"),
}
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *CARDS)
BLOCK = re.compile(r"(<!-- results: ([^>]*?) -->\n).*?(<!-- end -->)", re.S)


def block(words: list[str]) -> str:
    """The text between the marks."""
    if words[0] in ("table1", "table2"):
        table = table_1 if words[0] == "table1" else table_2
        return table([kept(name) for name in words[1:]])
    results = kept(words[0])
    if words[1:] == ["settings"]:
        return "\n".join(f"- {name}: {text}" for name, text in results.settings.items())
    return results.table(interval=False, measures=words[1:]) if words[1:] else results.table()


def kept(name: str) -> Results:
    """Results that are kept with the documentation."""
    return read_results(KEPT / f"{name}.json")


def updated(page: Path, text: str) -> str:
    """A page with its tables, and a card with its `model-index`, written anew."""
    text = BLOCK.sub(lambda found: f"{found[1]}\n{block(found[2].split())}\n\n{found[3]}", text)
    if page not in CARDS:
        return text
    names, task = CARDS[page]
    card = ModelCard(text)
    card.data.model_name = f"bundled/{page.parent.name}"
    card.data.eval_results = evaluation_results([kept(name) for name in names], "bundled", task)
    return card_text(card)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="*", metavar="NAME=FILE", help="results.json files to keep under these names")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail if a table is not what it should be"
    )
    args = parser.parse_args()
    for item in args.results:
        name, _, file = item.partition("=")
        read_results(file)
        KEPT.mkdir(exist_ok=True)
        shutil.copyfile(file, KEPT / f"{name}.json")
    stale = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = updated(page, text)
        if new != text:
            stale.append(page.name)
            if not args.check:
                write_text(page, new)
    if args.check and stale:
        sys.exit(f"These pages do not show what docs/results holds: {', '.join(stale)}; run scripts/update_tables.py.")
    print(f"{len(stale)} pages written" if stale else "all tables show what docs/results holds")


if __name__ == "__main__":
    main()
