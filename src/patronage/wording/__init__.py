"""Words: every text of names, personas, actions and report comes from message files, one folder per language."""

from patronage.wording.messages import Wording, languages, read_wording

__all__ = ["Wording", "languages", "read_wording"]
