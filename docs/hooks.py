"""Take the bundled checkpoints' cards into the documentation, and let links to them lead there."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files


BUNDLED = Path(__file__).parents[1] / "src" / "adaat_hf" / "bundled"


def on_files(files: Files, config: Any) -> Files:
    """Add a page for each card, without its front matter."""
    for card in sorted(BUNDLED.glob("*/README.md")):
        text = card.read_text(encoding="utf-8").split("---\n", 2)[2]
        files.append(File.generated(config, f"cards/{card.parent.name}.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """In the repository the links lead to the cards' files."""
    return re.sub(r"\]\(\.\./src/adaat_hf/bundled/(\w+)/README\.md", r"](cards/\1.md", markdown)
