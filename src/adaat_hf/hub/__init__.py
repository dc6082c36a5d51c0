"""Publish pipelines on the Hub, with their cards and entry files."""

from .cards import TASKS, TaskText, make_card
from .publishing import entry_files, prepare_repository, publish


__all__ = ["TASKS", "TaskText", "entry_files", "make_card", "prepare_repository", "publish"]
