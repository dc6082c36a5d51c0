"""Ratings in a SQLite file, which many raters write at once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .clips import StudyError


LOWEST, HIGHEST = 1, 5
# How long a rater waits for others who are being written, in seconds.
PATIENCE = 30.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS study (fingerprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS ratings (
    rater TEXT NOT NULL, method TEXT NOT NULL, clip TEXT NOT NULL,
    score INTEGER NOT NULL CHECK (score BETWEEN 1 AND 5),
    given_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ')),
    PRIMARY KEY (rater, method, clip)
);
"""


@dataclass(frozen=True)
class Rating:
    """What somebody thought of a clip.

    Args:
        rater (`str`): Random token; nothing else is known of the rater.
        method, case (`str`): Which clip.
        score (`int`): From 1 (pretty fake) to 5 (pretty real).
    """

    rater: str
    method: str
    case: str
    score: int


class RatingStore:
    """Ratings of one study. Each call opens the file anew, so that threads and processes can share it.

    Args:
        path (`str` or `Path`): The file; it is made if it does not exist.
        fingerprint (`str`, *optional*): Of the study's clips ([`StudyClips`]); without it, the file is only read.

    Raises:
        StudyError: if the file is none of a study, or of one with other clips.
        FileNotFoundError: if it is to be read and does not exist.
    """

    def __init__(self, path: str | Path, fingerprint: str | None = None) -> None:
        self.path = Path(path)
        if fingerprint is None and not self.path.is_file():
            raise FileNotFoundError(f"The file of ratings {str(path)!r} does not exist.")
        try:
            with self._open() as file:
                # Readers do not wait for writers then, and a crash loses nothing that was confirmed.
                file.execute("PRAGMA journal_mode = WAL")
                file.executescript(SCHEMA)
                known = file.execute("SELECT fingerprint FROM study").fetchone()
                if known is None and fingerprint is not None:
                    file.execute("INSERT INTO study VALUES (?)", (fingerprint,))
        except sqlite3.DatabaseError as error:
            raise StudyError(f"{str(path)!r} is no file of ratings: {error}.") from error
        if known is not None and fingerprint is not None and known[0] != fingerprint:
            raise StudyError(f"{str(path)!r} holds ratings of other clips; choose another file.")

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=PATIENCE)) as file, file:
            yield file

    def rate(self, rating: Rating) -> None:
        """Store a rating; a later one of the same rater and clip replaces it.

        Raises:
            StudyError: if the score is not from 1 to 5.
        """
        if not LOWEST <= rating.score <= HIGHEST:
            raise StudyError(f"The rating is {rating.score}, expected {LOWEST} to {HIGHEST}.")
        with self._open() as file:
            file.execute(
                "INSERT INTO ratings (rater, method, clip, score) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (rater, method, clip) DO UPDATE SET score = excluded.score, given_at = excluded.given_at",
                (rating.rater, rating.method, rating.case, rating.score),
            )

    def ratings(self) -> list[Rating]:
        """All ratings, in the order in which they were given."""
        with self._open() as file:
            rows = file.execute("SELECT rater, method, clip, score FROM ratings ORDER BY given_at, rowid").fetchall()
        return [Rating(*row) for row in rows]

    def rated(self, rater: str) -> set[tuple[str, str]]:
        """Method and case of what somebody has rated."""
        with self._open() as file:
            return set(file.execute("SELECT method, clip FROM ratings WHERE rater = ?", (rater,)).fetchall())


__all__ = ["Rating", "RatingStore"]
