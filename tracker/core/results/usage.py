"""Owns the usage of a job: requests, tokens and pages, by model and in total."""

from collections.abc import Iterable
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from tracker.core.results.message_normalization import bounded
from tracker.core.results.result_line import PageUsage, TokenUsage

MOST_MODELS: Final = 20
OTHER_MODELS: Final = "(other)"
UNKNOWN_MODEL: Final = "(unknown)"

_MOST_DISTINCT: Final = 200
"""Models that are counted separately while files are read."""

_LONGEST_MODEL: Final = 100
"""Characters."""

_LARGEST: Final = 2**53 - 1
"""Beyond that, readers of JSON disagree."""


class ModelUsage(msgspec.Struct, frozen=True, kw_only=True):
    """The usage of requests. `requests` are those that succeeded; `pages` are pages of OCR.

    `cached_tokens` are those of the prompts' tokens that came from a cache, absent if no answer gives any.
    """

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    pages: int = 0
    cached_tokens: int | UnsetType = UNSET

    def __add__(self, other: "ModelUsage") -> "ModelUsage":
        return _added([self, other])


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The usage of a job, its fields those of the event's JSON; `by_model` has the most used model first.

    It has at most 20 models; the others are together "(other)".
    """

    total: ModelUsage = ModelUsage()
    by_model: dict[str, ModelUsage] = {}


class _Counts:
    __slots__ = ModelUsage.__struct_fields__

    def __init__(self) -> None:
        self.requests = self.prompt_tokens = self.completion_tokens = self.total_tokens = self.pages = 0
        self.cached_tokens = 0


class UsageBuilder:
    """Adds up the usage of requests. Its size does not grow with their number."""

    def __init__(self, model: str | None = None) -> None:
        """`model` is the job's, for answers that name none."""
        self._model = bounded(model or "", _LONGEST_MODEL) or UNKNOWN_MODEL
        self.by_model: dict[str, _Counts] = {}
        self._by_name: dict[str | None, _Counts] = {}
        """By the original name; a name in here costs one look-up."""

    def add(self, model: str | None, tokens: TokenUsage | None, pages: PageUsage | None) -> None:
        """Count one request that succeeded."""
        counts = self._by_name.get(model) or self._counts_of(model)
        counts.requests += 1
        if tokens is not None:
            prompt = tokens.prompt_tokens or tokens.input_tokens or 0
            completion = tokens.completion_tokens or tokens.output_tokens or 0
            counts.prompt_tokens += prompt
            counts.completion_tokens += completion
            counts.total_tokens += tokens.total_tokens or prompt + completion
            counts.cached_tokens += tokens.cached or 0
        if pages is not None:
            counts.pages += pages.pages_processed or 0

    def merge(self, other: "UsageBuilder") -> None:
        """Add the sums of `other`."""
        for model, theirs in other.by_model.items():
            ours = self._model_counts(model)
            for name in _Counts.__slots__:
                setattr(ours, name, getattr(ours, name) + getattr(theirs, name))

    def usage(self) -> Usage:
        """The sums by model and in total."""
        named = {model: _added([counts]) for model, counts in self.by_model.items() if model != OTHER_MODELS}
        ranked = sorted(named, key=lambda model: (-_volume(named[model]), model))
        by_model = {model: named[model] for model in ranked[:MOST_MODELS]}
        others = [self.by_model[model] for model in (*ranked[MOST_MODELS:], OTHER_MODELS) if model in self.by_model]
        if others:
            by_model[OTHER_MODELS] = _added(others)
        return Usage(total=_added(self.by_model.values()), by_model=by_model)

    def _counts_of(self, model: str | None) -> _Counts:
        counts = self._model_counts(bounded(model or "", _LONGEST_MODEL) or self._model)
        if len(self._by_name) < _MOST_DISTINCT and len(model or "") <= _LONGEST_MODEL:
            self._by_name[model] = counts
        return counts

    def _model_counts(self, name: str) -> _Counts:
        if name not in self.by_model and len(self.by_model) >= _MOST_DISTINCT:
            name = OTHER_MODELS
        return self.by_model.setdefault(name, _Counts())


def _added(usages: Iterable[ModelUsage | _Counts]) -> ModelUsage:
    parts = list(usages)
    sums = {name: min(sum(getattr(each, name) or 0 for each in parts), _LARGEST) for name in _Counts.__slots__}
    return ModelUsage(**sums | {"cached_tokens": sums["cached_tokens"] or UNSET})


def _volume(usage: ModelUsage) -> int:
    return usage.total_tokens + usage.pages + usage.requests
