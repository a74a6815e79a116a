"""YAML text → a pydantic model, with every fault at once, each as `FILE:LINE:COLUMN: message`.

What belongs here: reading documents of any kind. What the rules mean is in `document`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator
from pydantic_core import ErrorDetails, PydanticCustomError

from ..text import in_words, nearest, show
from .nodes import Path, Place, Tree, YamlError, read_yaml


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to tell the author of a file."""

    filename: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.filename}:{self.line}:{self.column}: {self.message}"


class DocumentError(ValueError):
    """A file that cannot be used. `problems` has every fault, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(map(str, self.problems)))


class Section(BaseModel):
    """Base of all that a document is made of: frozen, and every unknown field is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Document(Section):
    """Base of what `read_located` reads.

    confidential: fields where a secret may be put by mistake; their values are never shown.
    """

    confidential: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def across(cls, _data: Mapping[str, Any]) -> Iterable[tuple[Path, str]]:
        """Faults that lie between fields. `data` is what the file says, valid or not."""
        return ()


D = TypeVar("D", bound=Document)
#: Covariant, so that what takes a located rule document takes located settings too.
D_co = TypeVar("D_co", bound=Document, covariant=True)


@dataclass(frozen=True, slots=True)
class Source:
    """A file as read: it knows where everything stands."""

    filename: str
    tree: Tree

    def problem(self, path: Path, message: str) -> Problem:
        """A problem of the value at `path`, or of what encloses it when it is not there."""
        while path and path not in self.tree.values:
            path = path[:-1]
        return self._at(self.tree.values.get(path, Place(1, 1)), message)

    def problem_of_key(self, path: Path, message: str) -> Problem:
        place = self.tree.keys.get(path)
        return self._at(place, message) if place else self.problem(path, message)

    def repeated_keys(self) -> list[Problem]:
        return [
            self._at(place, f"{in_words(path)} is given a second time; keep one")
            for path, place in self.tree.twice
        ]

    def _at(self, place: Place, message: str) -> Problem:
        return Problem(self.filename, place.line, place.column, message)


@dataclass(frozen=True, slots=True)
class Located(Generic[D_co]):
    """A document, and where each of its values stands."""

    document: D_co
    source: Source


def read_located(text: str | bytes, filename: str, model: type[D]) -> Located[D]:
    """Read `text` as a `model`. Raise `DocumentError` with every fault; `filename` is its name."""
    try:
        tree = read_yaml(text)
    except YamlError as error:
        place = error.place
        problem = Problem(filename, place.line, place.column, error.message)
        raise DocumentError([problem]) from error
    source = Source(filename, tree)
    problems = source.repeated_keys()
    document = None
    try:
        document = model.model_validate(tree.value)
    except ValidationError as error:
        problems += [_explained(source, model, fault) for fault in error.errors()]
    if isinstance(tree.value, dict):
        problems += [source.problem(path, message) for path, message in model.across(tree.value)]
    if problems or document is None:
        raise DocumentError(problems)
    return Located(document, source)


def must_be(right: str) -> WrapValidator:
    """Say what a value of the annotated type must be, whatever is wrong with it."""

    def check(value: Any, handler: Any) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            raise PydanticCustomError(
                "must_be", "must be {right}, got {got}", {"right": right, "got": show(value)}
            ) from error

    return WrapValidator(check)


_RIGHT = {
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
}


def _explained(source: Source, model: type[Document], error: ErrorDetails) -> Problem:
    """What pydantic found, in our words and at its place."""
    path, context, kind = error["loc"], error.get("ctx", {}), error["type"]
    if path[-1:] == ("[key]",):
        return source.problem_of_key(path[:-1], f"a key {error['msg']}")
    name, got = in_words(path), show(error["input"])
    if path and path[0] in model.confidential:
        got = "something else"
    if kind == "extra_forbidden":
        instead = _instead(str(path[-1]), _model_at(model, path[:-1]))
        return source.problem_of_key(path, f"unknown field {show(path[-1])}{instead}")
    if kind == "missing":
        message = f"{name} is missing{_example(_model_at(model, path[:-1]), name)}"
    elif kind == "literal_error":
        expected = str(context["expected"]).replace("'", '"')
        message = f"{name} must be {expected}, got {got}"
    elif kind in _RIGHT:
        message = f"{name} must be {_RIGHT[kind]}, got {got}"
    elif kind in ("too_short", "string_too_short") and context["min_length"] == 1:
        message = f"{name} must not be empty"
    elif kind == "too_long":
        message = f"{name} must have at most {context['max_length']} entries, got more"
    elif kind == "value_error":
        message = f"{name} {context['error']}"
    elif kind == "must_be":
        message = f"{name} {error['msg']}"
    else:
        message = f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}, got {got}"
    return source.problem(path, message)


def _instead(name: str, model: type[BaseModel]) -> str:
    meant = nearest(name, model.model_fields)
    if meant:
        return f"; did you mean {show(meant)}?"
    return f"; known here: {', '.join(model.model_fields)}"


def _example(model: type[BaseModel], name: str) -> str:
    examples = model.model_fields[name].examples if name in model.model_fields else None
    return f"; for example {name}: {examples[0]}" if examples else ""


def _model_at(model: type[BaseModel], path: Path) -> type[BaseModel]:
    """The model that describes what stands at `path`."""
    for part in path:
        if isinstance(part, str) and part in model.model_fields:
            inner = next(_models(model.model_fields[part].annotation), None)
            model = inner or model
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
